"""How a job that was just started is reported."""

from __future__ import annotations

from mcp_background_job.actions.jobs import facts
from mcp_background_job.cli import terminal
from mcp_background_job.cli.jobs import show
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.core.states import State
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.starting import Started


async def report(manager: JobManager, started: Started, *, as_json: bool) -> None:
    """Write the id alone for a pipe, a sentence for people, or the facts as JSON; what is odd goes to stderr."""
    if started.note:
        terminal.say(started.note)
    if as_json:
        job = await manager.find(started.job.job_id)
        terminal.as_json({**await facts.one(manager, job), "existed": started.existed})
    elif terminal.for_people() and is_never(started):
        terminal.paragraph(sentence(started))
    elif terminal.for_people():
        terminal.paragraph(f"{sentence(started)}; see: {PROGRAM} logs -f {started.job.job_id}")
    else:
        if started.existed or is_never(started):  # the id alone does not tell that nothing was started
            terminal.say(sentence(started))
        terminal.line(started.job.job_id)


def is_never(started: Started) -> bool:
    """Tell whether a job is on record and will never start: another that it was to run after did not complete."""
    return started.job.state is State.EXITED and not started.existed


def sentence(started: Started) -> str:
    """Return what became of the request to start a job."""
    job = started.job
    pid = "" if started.pid is None else f" (pid {started.pid})"
    if started.existed:
        return f"job {job.label} is {job.status} already{pid}"
    if is_never(started):
        return f"job {show.sentence(job)}"
    return f"job {job.label} is queued" if job.state is State.QUEUED else f"job {job.label} started{pid}"
