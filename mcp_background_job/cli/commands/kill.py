"""``kill``: stop jobs and everything that they started."""

from __future__ import annotations

import asyncio

from mcp_background_job.actions.jobs import facts
from mcp_background_job.cli import exit_codes, show, terminal
from mcp_background_job.cli.arguments import AsJson, JobIds, Seconds
from mcp_background_job.cli.session import CLIENT, with_manager
from mcp_background_job.core.job import Job
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.policy import GRACE_S
from mcp_background_job.jobs.request import stop_signal
from mcp_background_job.jobs.stopping import Killed


def kill(
    *job: JobIds,
    signal: str = "TERM",
    grace: Seconds = GRACE_S,
    as_json: AsJson = False,
) -> int:
    """Stop jobs and everything that they started; returns when nothing of them is left, and says so with exit code 0.

    Args:
        *job: Ids or names of jobs.
        signal: What to ask them with.
        grace: How long to wait for them to end before SIGKILL, in seconds or as 1m; 0 asks nothing.
        as_json: Print JSON, with the same field names everywhere.
    """
    stop_signal(signal)
    return with_manager(lambda manager: _kill(manager, list(dict.fromkeys(job)), signal, grace, as_json=as_json))


async def _kill(manager: JobManager, references: list[str], signal: str, grace_s: float, *, as_json: bool) -> int:
    # All at once, so that many jobs take no longer than one; each answers for itself.
    results = await asyncio.gather(*(_kill_one(manager, reference, signal, grace_s) for reference in references))
    for result in results:
        if isinstance(result, BackgroundJobError):
            terminal.fail(result, to_program=as_json)
        elif result.job:
            await _report(manager, result, result.job, as_json=as_json)
    failed = [result for result in results if isinstance(result, BackgroundJobError)]
    return exit_codes.of_error(failed[0]) if failed else exit_codes.OK


async def _kill_one(manager: JobManager, reference: str, signal: str, grace_s: float) -> Killed | BackgroundJobError:
    try:
        job = await manager.find(reference)
        return await manager.kill(job.job_id, by=CLIENT, signal=signal, grace_s=grace_s)
    except BackgroundJobError as error:
        return error


async def _report(manager: JobManager, killed: Killed, job: Job, *, as_json: bool) -> None:
    if as_json:
        terminal.as_json({**await facts.one(manager, job), "result": killed.status})
    elif killed.status == "killed":
        terminal.line(f"{job.label} killed")
    else:
        terminal.line(f"{show.sentence(job)} (it had ended already)")
