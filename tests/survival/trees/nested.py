"""What the tests of nested jobs share: a job in which another is started, whose runner serves the queue."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_background_job.core.job import Job, JobChoice
from mcp_background_job.jobdir import lock
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.kernel import tree
from tests.conftest import Liveness
from tests.patience import wait_until
from tests.survival.support import directory_of, runner_of, start

#: The command line, as a job would use it.
PROGRAM = f"{sys.executable} -m mcp_background_job"


@dataclass
class Nested:
    """An outer job that lives, and a stranger's job whose runner is below it."""

    outer: Job
    stranger: Job
    runner: int


def inside(command: str, *, after: str | None = None) -> str:
    """Return a command that starts another in the background by the command line."""
    options = f" --after {after}" if after else ""
    return f"{PROGRAM} run{options} -- {shlex.quote(command)}"


async def start_stranger_inside(manager: JobManager, liveness: Liveness, path: Path, **outer: Any) -> Nested:
    """Start a job in which another is started, queue a stranger's, and end the inner one: its runner starts that.

    The inner job takes no place of its own, so the stranger waits for that job. The outer job hangs as ``outer``, and
    ends when ``path/end`` is written to; it prints until there is ``path/silent``.
    """
    go, end = path / "go", path / "end"
    for fifo in (go, end):
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
    holder = liveness.script("outer", f"connect('outer')\nopen({str(end)!r}).read()\n")
    first = inside(f"read line < {shlex.quote(str(go))}")
    job = await start(
        manager, f"{chatter(path / 'silent')}{first} && exec {holder}", name=f"outer-{path.name}", **outer
    )
    liveness.expect("outer")
    (inner,) = [one for one in await manager.list(JobChoice(statuses=("running",))) if one.parent == job.job_id]
    stranger = await start(manager, liveness.holder("stranger"), after=(inner.job_id,))
    assert (await manager.find(stranger.job_id)).status == "queued"
    go.write_text("\n")
    liveness.expect("stranger")
    runner = runner_of(manager.state.path, stranger.job_id)
    outer_runner = runner_of(manager.state.path, job.job_id)
    wait_until(lambda: runner in below(outer_runner), "the stranger's runner below the outer one")
    return Nested(job, stranger, runner)


def chatter(until: Path) -> str:
    """Return the beginning of a command that prints until there is such a file: so long no limit on silence counts."""
    return f"(while [ ! -e {shlex.quote(str(until))} ]; do echo .; sleep 0.1; done) & "


def below(root: int) -> set[int]:
    """Return the pids of all processes below one, whosever they are."""
    found: set[int] = set()
    todo = [root]
    while todo:
        new = [process.pid for process in tree.children(todo.pop())]
        found.update(new)
        todo += new
    return found


def is_free(manager: JobManager, job: Job) -> bool:
    """Tell whether the runner of a job is gone."""
    return lock.holder_of(directory_of(manager.state.path, job.job_id).lock) is None
