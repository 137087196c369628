"""Directories of jobs that never ran, as runners leave them: for tests that need many."""

from __future__ import annotations

import time
from pathlib import Path

from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Exit, Spec


def ended_jobs(state_dir: Path, count: int, log: bytes = b"hello\n") -> list[str]:
    """Make jobs that ended well, named n0, n1 … from the oldest on; returns their ids."""
    state = StateDir(str(state_dir))
    Path(state.jobs).mkdir(parents=True, mode=0o700, exist_ok=True)
    begin = time.time() - count - 10
    ids: list[str] = []
    for number in range(count):
        job_id = f"j{number:05d}"
        job = state.job(job_id)
        Path(job.path).mkdir(mode=0o700)
        at = begin + number
        spec = Spec(
            job_id=job_id, command=f"echo {number}", argv=["/bin/sh"], cwd="/", env={}, created_at=at, cookie="",
            max_output=2**20, max_jobs=1, name=f"n{number}", project="/p",
        )  # fmt: skip
        Path(job.spec).write_bytes(records.encode(spec))
        Path(job.log).write_bytes(log)
        end = Exit(outcome="completed", ended_at=at + 0.5, exit_code=0, started_at=at, output_bytes=len(log))
        Path(job.exit).write_bytes(records.encode(end))
        ids.append(job_id)
    return ids
