"""Servers are killed around the submission of a job, and each command runs exactly once."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest

from mcp_background_job.executors.nodes import watcher
from mcp_background_job.executors.slurm import seeing, submitting
from mcp_background_job.jobs.manager import JobManager
from tests.nodes.killing import kill_servers
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]

#: Servers that are killed. The figure in the documents is of more: ``CLUSTER_POINTS=200``.
_POINTS = int(os.environ.get("CLUSTER_POINTS", "20"))


async def test_each_command_runs_exactly_once_although_its_server_is_killed(
    manager: JobManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (submitting, seeing):
        monkeypatch.setattr(module, "REPEAT_AFTER_S", 3.0)
    monkeypatch.setattr(watcher, "_LONGEST_S", 2.0)
    ran = tmp_path / "ran"
    command = f"echo $MCP_BG_JOB_ID >> {ran}"
    await asyncio.to_thread(kill_servers, "slurm", command, _POINTS, ("mcp_background_job.executors.slurm.place",))
    store = manager.places.named("slurm").store
    accepted = {job_id for job_id in store.discover() if store.is_recorded(job_id)}

    async def all_ended() -> bool:
        await manager.recover()
        return not manager.places.open_jobs()

    await until(all_ended, "the end of all jobs", PATIENCE_S + _POINTS)
    assert Counter(ran.read_text().split()) == dict.fromkeys(accepted, 1)
    assert {(await manager.find(job_id)).status for job_id in accepted} == {"completed"}
