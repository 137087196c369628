"""Stops jobs, and says what became of them."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from mcp_background_job.core.aftermath import forced
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import StateDirError, SurvivorsError, UnknownJobError
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.records import StopRequest
from mcp_background_job.jobs.looking import Looker
from mcp_background_job.jobs.policy import GRACE_S
from mcp_background_job.jobs.request import STOP_SIGNAL, check_grace, stop_signal


@frozen
class Killed:
    """What became of a request to kill.

    Attributes:
        status: ``killed``, ``already_terminated`` or ``not_found``.
        job: the job, as it is now.
        ended_with: the jobs that were asked for within it and ended because it was ended.
        forced: that it did not end when it was asked to, in words; ``None`` if it did.
    """

    status: str
    job: Job | None
    ended_with: tuple[Job, ...] = ()
    forced: str | None = None


class Stopper:
    """Stops jobs."""

    def __init__(self, places: Places, looker: Looker) -> None:
        """Takes its parts."""
        self._places = places
        self._looker = looker

    async def kill(
        self, job_id: str, *, by: str, why: str, signal: str = STOP_SIGNAL, grace_s: float = GRACE_S
    ) -> Killed:
        """Stop a job and everything that it started; see ``JobManager.kill``."""
        check_grace(grace_s)
        asked_with = stop_signal(signal)
        # Without a grace period nobody is asked, and so the record does not say it.
        request = StopRequest(
            at=time.time(), by=by, why=why, signal=asked_with if grace_s else "SIGKILL", grace_s=grace_s
        )
        try:
            job = await self._looker.find(job_id)
        except (UnknownJobError, StateDirError):
            return Killed("not_found", None)
        cancelled = await self._places.cancel(job.job_id, request)
        if cancelled.survivors:
            who = cancelled.why or ", ".join(map(str, cancelled.survivors))
            raise SurvivorsError(
                f"job {job.label} is not dead, processes survived SIGKILL: {who}; kill again when nothing holds them",
                pids=cancelled.survivors,
            )
        if not cancelled.is_certain:
            raise SurvivorsError(
                f"it is not certain that job {job.label} is dead: {cancelled.why}; kill it again, which looks once more"
            )
        try:
            now, seen = await self._looker.look(job)
        except UnknownJobError:  # with its directory, its end has gone unrecorded
            return Killed("killed", replace(job, state=State.EXITED, outcome=Outcome.KILLED))
        # It may have ended by itself before the first signal. Of a lost job it is known that something had to be ended.
        had_to_be_ended = cancelled.was_live and now.outcome in (Outcome.KILLED, Outcome.TIMED_OUT, Outcome.LOST)
        # A runner may carry out what it is asked and end before its answer is read: then only the record tells.
        was_killed_meanwhile = job.state is not State.EXITED and now.outcome is Outcome.KILLED
        kin = await self._known(seen.exit.ended_with) if seen.exit else ()
        if not (had_to_be_ended or was_killed_meanwhile):
            return Killed("already_terminated", now, kin)
        return Killed("killed", now, kin, forced(grace_s, asked_with, seen.exit.killed_pids) if seen.exit else None)

    async def _known(self, job_ids: list[str]) -> tuple[Job, ...]:
        found: list[Job] = []
        for job_id in job_ids:
            with contextlib.suppress(UnknownJobError):  # it was removed meanwhile
                found.append(await self._looker.find(job_id))
        return tuple(found)
