"""``kill``: stop jobs and everything that they started."""

from __future__ import annotations

from typing import Annotated

from mcp_background_job.actions.jobs.killed import Failed, Fate, Signalled, all_of_project, fate_row, fates
from mcp_background_job.cli import terminal
from mcp_background_job.cli.arguments import AsJson, Every, Seconds
from mcp_background_job.cli.jobs import show
from mcp_background_job.cli.jobs.exit_codes import of_errors
from mcp_background_job.cli.parameter import Parameter
from mcp_background_job.cli.session import caller, with_manager
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.policy import GRACE_S
from mcp_background_job.jobs.stopping import Killed


def kill(
    *job: Annotated[str, Parameter(help="Ids or names of jobs.")],
    every: Every = False,
    signal: str | None = None,
    signal_only: Annotated[bool | None, Parameter(negative="--no-signal-only")] = None,
    grace: Seconds = GRACE_S,
    as_json: AsJson = False,
) -> int:
    """Stop jobs and every process that they started. The command returns when no process is left, with exit code 0.

    Args:
        *job: Ids or names of jobs.
        every: All jobs of this project.
        signal: The first signal, TERM without it; with --signal-only the signal to send.
        signal_only: Send the signal to the processes that handle it, and stop nothing: HUP to reload, USR1, STOP, CONT.
            HUP, USR1 and USR2 need this, or --no-signal-only to stop with them.
        grace: How long to wait for them to end before SIGKILL, in seconds or as 1m; 0 sends SIGKILL at once.
        as_json: Print JSON, with the same field names everywhere.
    """
    if every == bool(job):
        raise InvalidRequestError("say what to kill: ids or names of jobs, or --all for all jobs of this project")

    async def kill_them(manager: JobManager) -> int:
        asker = caller()
        references = await all_of_project(manager, asker.project) if every else job
        became = await fates(manager, asker, references, signal=signal, grace_s=grace, signal_only=signal_only)
        if as_json:
            terminal.as_json({"jobs": [fate_row(reference, fate) for reference, fate in became.items()]})
        else:
            for fate in became.values():
                _report(fate)
        if not became:
            terminal.say(f"no job of project {asker.project} is running or queued: there was nothing to kill")
        return of_errors(fate.error for fate in became.values() if isinstance(fate, Failed))

    return with_manager(kill_them)


def _report(fate: Fate) -> None:
    if isinstance(fate, Failed):
        terminal.fail(fate.error, to_program=False)
    elif isinstance(fate, Signalled):
        terminal.paragraph(f"{fate.job.label} signalled: {', '.join(map(str, fate.pids))}")
    elif fate.job and fate.status == "killed":
        terminal.paragraph(f"{fate.job.label} killed" + (f": it {fate.forced}" if fate.forced else ""))
    elif fate.job:
        terminal.paragraph(f"{fate.job.label} had already ended: {show.end_of(fate.job)}")
    for kin in fate.ended_with if isinstance(fate, Killed) else ():
        terminal.paragraph(f"  with it {kin.label} {kin.status}")
