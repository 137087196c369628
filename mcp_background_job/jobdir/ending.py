"""Ends a job that no runner owns: withdrawn from the queue, or never to be started."""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.jobdir import at_end, lock, records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit


def end_unowned(job: JobDir, record: Exit) -> bool:
    """Write the exit record of a job unless a runner owns or owned it; returns whether it was written.

    The command that it has for its end is run.
    """
    is_written = record_end(job, record)
    if is_written:
        at_end.begin(job)
    return is_written


def record_end(job: JobDir, record: Exit) -> bool:
    """Do the same, and leave the command for its end to the caller."""
    with lock.held(job.lock) as got:
        if not got or os.path.exists(job.status) or job.has_exit:
            return False
        publish(job, record)
        return True


def publish(job: JobDir, record: Exit) -> None:
    """Write the exit record of a job that the caller has the lock of, and take the job off the open ones."""
    records.clear_the_way(job.exit)
    records.write(job.exit, records.encode(record), durable=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(job.state_dir.open_mark(job.job_id))
