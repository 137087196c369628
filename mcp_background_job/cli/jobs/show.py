"""How a job is shown in a sentence."""

from __future__ import annotations

import time

from mcp_background_job.core.job import Job, has_more_to_tell
from mcp_background_job.core.states import State
from mcp_background_job.core.text import duration


def sentence(job: Job) -> str:
    """Return how a job is doing, or how it ended."""
    if job.state is not State.EXITED:
        return f"{job.label} {job.status} for {duration(time.time() - (job.started_at or job.created_at))}"
    return f"{job.label} {end_of(job)}"


def end_of(job: Job) -> str:
    """Return how a job ended: its status, its exit code and why."""
    end = "" if job.exit_code is None else f", exit {job.exit_code}"
    return f"{job.status}{end}" + (f": {job.reason}" if has_more_to_tell(job) else "")
