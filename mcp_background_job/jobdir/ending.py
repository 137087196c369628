"""Ends a job that no runner owns: it is withdrawn from the queue, or can never start."""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.jobdir import at_end, lock, records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit


def end_unowned(job: JobDir, record: Exit) -> bool:
    """Write the exit record of a job unless a runner owns or owned it; returns whether it was written.

    The job's command at the end then runs.
    """
    is_written = record_end(job, record)
    if is_written:
        at_end.begin(job)
    return is_written


def record_end(job: JobDir, record: Exit) -> bool:
    """Do the same, but leave the command at the end to the caller."""
    with lock.held(job.lock) as got:
        if not got or os.path.exists(job.status) or job.has_exit:
            return False
        publish(job, record)
        return True


def publish(job: JobDir, record: Exit) -> None:
    """Write the exit record of a job whose lock the caller holds, and remove its mark of open jobs."""
    records.clear_the_way(job.exit)
    records.write(job.exit, records.encode(record), durable=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(job.state_dir.open_mark(job.job_id))
