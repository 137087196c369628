"""Stops jobs, by the shortest way that leads to them, and confirms it.

If a runner has the job, the runner stops it, step by step. If the job still waits, Ray reports that it has stopped it,
and starts it all the same when its turn comes. So its package is replaced by one that runs nothing, and a job of Ray's
own kills the waiting one. If the runner cannot be reached, Ray is asked to stop the job, under an id that is unique.
"""

from __future__ import annotations

import asyncio
import os
import time

from mcp_background_job.core.states import State
from mcp_background_job.errors import EngineUnreachableError, LaunchError, RunnerSilentError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Cancelled
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.nodes.ending import end
from mcp_background_job.executors.nodes.stopping import Connect, killed_by, lost, tell_to_stop
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.ray import native, parcel, states
from mcp_background_job.executors.ray.mirror import Mirror
from mcp_background_job.executors.ray.native import Noted
from mcp_background_job.executors.ray.rest import Head, UnsureError
from mcp_background_job.executors.ray.script import entrypoint
from mcp_background_job.executors.ray.seeing import Seeing
from mcp_background_job.jobdir.ancestry import withdrawn
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.records import StopRequest

#: Attempts to reach a runner that has just begun, or is about to end.
_ATTEMPTS = 15
_BETWEEN_ATTEMPTS_S = 0.2

#: Seconds for Ray: it starts its own job within some seconds, and reports the end of the other a second later.
_ENGINE_PATIENCE_S = 60.0
_BETWEEN_LOOKS_S = 0.5


class Cancelling:
    """Stops jobs."""

    def __init__(self, store: NodeStore, head: Head, seeing: Seeing, mirror: Mirror, connect: Connect) -> None:
        """Takes its parts, and a function that connects to a job's runner."""
        self._store = store
        self._head = head
        self._seeing = seeing
        self._mirror = mirror
        self._connect = connect

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job, and confirm that nothing of it is left; see ``Place.cancel``."""
        job = self._store.job(job_id)
        if not await lanes.look(self._lives, job_id):
            return Cancelled(was_live=False)
        await lanes.lasting(claims.withdraw, job, request)  # from here on no process submits it
        noted = await lanes.look(native.read, job)
        if noted is None or not noted.asked_at:
            await lanes.write(end, self._store, job_id, withdrawn(request))
            return Cancelled(was_live=True)
        for attempt in range(_ATTEMPTS):
            try:
                return await tell_to_stop(self._connect, job_id, request)
            except NoRunnerError:
                if not await lanes.look(self._lives, job_id):
                    return Cancelled(was_live=True)
                word = await self._line(job_id, noted)  # Ray is asked, since its last answer may be old
                if word is None and await lanes.look(os.path.exists, job.address):
                    break  # the job had begun, and Ray has lost it
                if word in (None, states.PENDING):
                    return await self._withdraw(job_id, noted, request, is_there=word is not None)
                if attempt + 1 < _ATTEMPTS:  # its runner is starting or ending
                    await asyncio.sleep(_BETWEEN_ATTEMPTS_S)
            except RunnerTimeoutError:
                break
        return await self._through_ray(job_id, noted, request)

    def _lives(self, job_id: str) -> bool:
        seen = self._seeing.seen(job_id)
        return seen is not None and (seen.state is not State.EXITED or (seen.sweep and seen.exit is None))

    # -- one that waits --------------------------------------------------------------------------------------------

    async def _withdraw(self, job_id: str, noted: Noted, request: StopRequest, *, is_there: bool) -> Cancelled:
        """Keep a job from running. ``is_there``: Ray has the job; if it has not, a submission may be on its way."""
        try:
            await lanes.lasting(self._head.put_package, noted.package(job_id), await lanes.scan(parcel.withdrawn))
            if is_there:
                await lanes.lasting(self._kill_what_waits, noted.submission_id(job_id))
        except EngineUnreachableError as error:
            raise _unreachable(job_id, error) from error
        deadline = time.monotonic() + _ENGINE_PATIENCE_S
        while is_there and time.monotonic() < deadline:
            is_there = await self._line(job_id, noted) == states.PENDING
            await asyncio.sleep(_BETWEEN_LOOKS_S if is_there else 0)
        if await lanes.lasting(self._has_begun, job_id, noted):  # it began at the last moment
            return await self._through_runner(job_id, noted, request)
        await lanes.write(end, self._store, job_id, withdrawn(request))
        return Cancelled(was_live=True)

    def _kill_what_waits(self, submission_id: str) -> None:
        try:
            # Without a wish for resources: it must not wait behind the job that it is to kill.
            self._head.submit(
                {
                    "submission_id": f"{submission_id}-withdrawn",
                    "entrypoint": entrypoint(submission_id),
                    "metadata": {"withdraws": submission_id},
                }
            )
        except (UnsureError, LaunchError) as error:
            raise EngineUnreachableError(str(error)) from error

    def _has_begun(self, job_id: str, noted: Noted) -> bool:
        try:
            return self._mirror.learn(self._store.job(job_id), noted)
        except EngineUnreachableError as error:
            raise _unreachable(job_id, error) from error

    async def _through_runner(self, job_id: str, noted: Noted, request: StopRequest) -> Cancelled:
        try:
            return await tell_to_stop(self._connect, job_id, request)
        except (NoRunnerError, RunnerTimeoutError):
            return await self._through_ray(job_id, noted, request)

    # -- where no way leads to the runner --------------------------------------------------------------------------

    async def _through_ray(self, job_id: str, noted: Noted, request: StopRequest) -> Cancelled:
        word = await self._line(job_id, noted)
        was_live = not states.is_over(word or states.GONE)
        if was_live:
            try:
                await lanes.lasting(self._head.stop, noted.submission_id(job_id))
            except EngineUnreachableError as error:
                raise _unreachable(job_id, error) from error
        deadline = time.monotonic() + _ENGINE_PATIENCE_S
        while not states.is_over(word or states.GONE):
            if time.monotonic() > deadline:
                raise RunnerSilentError(
                    f"job {job_id} is not dead: Ray was asked to stop it, and says that it is {word}; its node may be "
                    "off, and Ray will say so in time"
                )
            await asyncio.sleep(_BETWEEN_LOOKS_S)
            word = await self._line(job_id, noted)
        if not await lanes.lasting(self._completed, job_id, noted):
            gone = f"Ray job {noted.submission_id(job_id)} was over, and its runner has not reported how it ended"
            record = killed_by("Ray", request) if was_live else lost(gone)
            await lanes.write(end, self._store, job_id, record)
        return Cancelled(was_live)

    def _completed(self, job_id: str, noted: Noted) -> bool:
        job = self._store.job(job_id)
        try:
            return job.has_exit or self._mirror.complete(job, noted)
        except EngineUnreachableError:  # the node is gone, and the log with it; Ray has confirmed the end
            return False

    async def _line(self, job_id: str, noted: Noted) -> str | None:
        """Return Ray's word for a job, ``None`` if Ray does not know it."""
        try:
            line = await lanes.lasting(self._head.look_up, noted.submission_id(job_id))
        except EngineUnreachableError as error:
            raise _unreachable(job_id, error) from error
        return line and line.state


def _unreachable(job_id: str, error: EngineUnreachableError) -> EngineUnreachableError:
    return EngineUnreachableError(
        f"nothing was stopped: the runner of job {job_id} cannot be reached, and {error}; it is stopped when Ray "
        "answers"
    )
