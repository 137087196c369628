"""How the command that is run at an end, MCP_BG_ON_END, comes to be run, and what holds for every one of them."""

from __future__ import annotations

import contextlib
import os
import sys

from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Spec

#: A desktop notice takes milliseconds, and a webhook whose server is away gives up in less.
MAX_RUN_S = 30.0

#: So many run at once on one state directory; a hundred jobs that end together make no hundred webhooks at once.
MAX_AT_ONCE = 4

#: What the names of jobs begin with that run such a command for something that is not a job, a batch say.
PREFIX = "on-end-"

_MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "runner", "__main__.py")

#: The shell is gone at once, so that nobody who lives on has a child to wait for.
_IN_BACKGROUND = '"$@" &'


def begin(job: JobDir) -> None:
    """Have the command of a job run in a process of its own, if it has one and has ended; returns at once.

    Not for a runner whose job lives: to that, the process would be a part of the job.
    """
    with contextlib.suppress(OSError, BackgroundJobError):  # no room for a process: the job is over all the same
        spec = records.read(Spec, job.spec)
        if spec is None or not spec.on_end or not job.has_exit:
            return
        null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        argv = ["/bin/sh", "-c", _IN_BACKGROUND, "sh", sys.executable, "-I", "-S", _MAIN, "--on-end", job.path]
        os.waitpid(os.posix_spawn(argv[0], argv, {}, file_actions=null, setsid=True), 0)
