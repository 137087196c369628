"""Kills jobs, and reports on each. Loads nothing heavy: the command line uses it like the tools."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.job import Job, JobChoice, has_more_to_tell
from mcp_background_job.core.states import NOT_OVER
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import (
    BackgroundJobError,
    InvalidRequestError,
    LaunchError,
    RunnerSilentError,
    SurvivorsError,
    UnknownJobError,
)
from mcp_background_job.executors import looping
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import STOP_SIGNAL, signal_to_send
from mcp_background_job.jobs.stopping import Killed


@frozen
class Signalled:
    """A job that was sent a signal and not stopped, and the processes that the signal was for."""

    job: Job
    pids: list[int]


@frozen
class Failed:
    """Why a job was neither stopped nor signalled, and the job, if it could be found."""

    error: BackgroundJobError
    job: Job | None


#: The result for one job.
Fate = Killed | Signalled | Failed


async def fates(
    manager: JobManager,
    caller: Caller,
    references: Iterable[str],
    *,
    signal: str | None,
    grace_s: float,
    signal_only: bool | None,
) -> dict[str, Fate]:
    """Kill jobs by id or name, or only signal them: all at once, so many take no longer than one.

    Each has its own result.

    Raises:
        InvalidRequestError: see ``signal_to_send``.
    """
    to_send = signal_to_send(signal, signal_only=signal_only)

    async def fate(reference: str) -> Fate:
        job = None
        try:
            job = await manager.find(reference, caller.changes)
            if to_send is not None:
                return Signalled(job, await manager.signal_handlers(job, to_send))
            return await manager.kill(job.job_id, by=caller.client, signal=signal or STOP_SIGNAL, grace_s=grace_s)
        except BackgroundJobError as error:
            return Failed(error, job)

    meant = list(dict.fromkeys(references))
    if len(meant) == 1:
        return {meant[0]: await fate(meant[0])}
    await looping.needed()
    import asyncio  # noqa: PLC0415  see ``looping``

    return dict(zip(meant, await asyncio.gather(*(fate(reference) for reference in meant)), strict=True))


async def all_of_project(manager: JobManager, project: str) -> list[str]:
    """Return the ids of a project's jobs that have not ended, except the job that this process runs in.

    Raises:
        InvalidRequestError: the caller has no project.
    """
    if not project:
        raise InvalidRequestError("you have no project, so all_of_project means nothing: name the jobs")
    jobs = await manager.list(JobChoice(statuses=tuple(NOT_OVER), project=project), limit=sys.maxsize)
    # Killing that job would end the caller, and the answer with it.
    return [job.job_id for job in jobs if job.job_id != manager.own_job]


def fate_row(reference: str, fate: Fate) -> dict[str, Any]:
    """Return the result for one job, in the fields of tools and ``--json``.

    If the job could not be found, the row only has the word that the caller gave.
    """
    job = fate.job
    known = {"job_id": job.job_id, "name": job.name} if job else {"job_id": None, "asked": reference}
    row = {**known, **_became(fate)}
    return {name: value for name, value in row.items() if value is not None or name == "job_id"}


def _became(fate: Fate) -> dict[str, Any]:
    if isinstance(fate, Failed):
        return {"status": _status_of(fate.error), "reason": str(fate.error), "code": fate.error.code}
    if isinstance(fate, Signalled):
        return {"status": "signalled", "processes": fate.pids}
    job = fate.job
    if job is None:
        return {"status": fate.status}
    return {
        "status": fate.status,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "reason": _reason(job, is_new=fate.status == "killed"),
        "ended_with": [_with_it(kin) for kin in fate.ended_with] or None,
    }


def _reason(job: Job, *, is_new: bool) -> str | None:
    """Return why a job ended; of one that this has not ended, first that it had ended, and how."""
    why = job.reason if has_more_to_tell(job) else None
    return why if is_new else f"it had already ended: {job.status}" + (f", {why}" if why else "")


def _with_it(job: Job) -> dict[str, Any]:
    row = {"job_id": job.job_id, "name": job.name, "status": job.status, "reason": job.reason}
    return {name: value for name, value in row.items() if value is not None}


def _status_of(error: BackgroundJobError) -> str:
    if isinstance(error, UnknownJobError):
        return "not_found"
    # These errors come after an attempt; with any other, nothing was touched.
    return "not_killed" if isinstance(error, SurvivorsError | RunnerSilentError | LaunchError) else "refused"
