"""A run as it is recorded, for tests that need one and do not mind which."""

from __future__ import annotations

from mcp_background_job.agents.records import RunRecord

RECORD = RunRecord(
    run_id="rabcde",
    job_id="jabcde",
    backend="command",
    role="worker",
    agent_name="bob",
    session_id="s1",
    session_mode="new",
    cwd="/",
    created_at=1.0,
)
