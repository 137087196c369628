"""Jobs that were recorded but whose launcher died before a runner owned them."""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.marks import open_jobs, queued_jobs


def queue_unowned(state: StateDir) -> None:
    """Put such jobs into the queue, which the caller is about to serve.

    A process that has ended others calls this: among those may have been a server, a command line or a future runner,
    and with it the launch of another job ended. A job that is only on its way to its runner is not harmed: of two
    runners, one owns it.
    """
    with contextlib.suppress(OSError):  # the state directory is gone, or full
        for job_id in set(open_jobs(state)) - set(queued_jobs(state)):
            job = state.job(job_id)
            if os.path.exists(job.spec) and not os.path.exists(job.status) and not job.has_exit:
                records.touch(state.queue_mark(job_id))
