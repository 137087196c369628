"""Starts the command at an end, MCP_BG_ON_END, and holds the rules for all such commands."""

from __future__ import annotations

import contextlib
import os
import sys

from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Spec

#: Seconds. A desktop notice takes milliseconds, and a webhook whose server is away fails sooner.
MAX_RUN_S = 30.0

#: At most this many run at once on one state directory: a hundred jobs that end together must not send a hundred
#: webhooks at once.
MAX_AT_ONCE = 4

#: The beginning of the names of jobs that run such a command for something other than a job, such as a batch.
PREFIX = "on-end-"

_MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "runner", "__main__.py")

#: The shell ends at once, so no living process has a child to wait for.
_IN_BACKGROUND = '"$@" &'


def begin(job: JobDir) -> None:
    """Run the command of a job in a process of its own, if the job has one and has ended; returns at once.

    A runner whose job lives must not call it: the process would become a part of the job.
    """
    with contextlib.suppress(OSError, BackgroundJobError):  # no room for a process: the job is over anyhow
        spec = records.read(Spec, job.spec)
        if spec is None or not spec.on_end or not job.has_exit:
            return
        null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        argv = ["/bin/sh", "-c", _IN_BACKGROUND, "sh", sys.executable, "-I", "-S", _MAIN, "--on-end", job.path]
        os.waitpid(os.posix_spawn(argv[0], argv, {}, file_actions=null, setsid=True), 0)
