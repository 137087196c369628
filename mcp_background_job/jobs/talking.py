"""Talks to running jobs: input and signals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncGenerator

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.errors import InvalidRequestError, JobEndedError, RunnerSilentError, StdinClosedError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Channel
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobs.looking import Looker

#: A job that is just starting, or ending, is shown as running a moment before and after anybody can be connected to.
_START_PATIENCE_S = 3.0


class Talker:
    """Talks to jobs; see ``JobManager`` for what is not said here."""

    def __init__(self, places: Places, looker: Looker) -> None:
        """Takes its parts."""
        self._places = places
        self._looker = looker

    async def send_input(self, job: Job, data: bytes, *, eof: bool) -> None:
        """Write to a job's stdin."""
        async with self._channel(job) as channel:
            answer = await channel.send_input(data, eof=eof)
        if answer is None:
            raise JobEndedError(f"job {job.label} ended before the input reached it")
        if answer.get("error") == "closed":
            raise StdinClosedError(
                f'the stdin of job {job.label} is closed: start the job with stdin="pipe" to send it input, '
                'or with stdin="pty" if it wants a terminal'
            )
        if answer.get("error") == "full":
            raise InvalidRequestError(
                f"job {job.label} has not read the {answer['unread']} bytes of input that it was sent before"
            )

    async def signal(self, job: Job, number: int) -> None:
        """Signal a job's foreground processes."""
        async with self._channel(job, "signal") as channel:
            if not await channel.signal(number):
                raise JobEndedError(f"job {job.label} takes no signal: its command has ended")

    async def signal_handlers(self, job: Job, number: int) -> list[int]:
        """Signal the processes of a job that handle a signal, and stop nothing; returns their pids."""
        name = signal.Signals(number).name
        async with self._channel(job, "signal") as channel:
            answer = await channel.signal_handlers(number)
        if answer is None:
            raise JobEndedError(f"job {job.label} ended before {name} reached it")
        if "error" in answer:
            raise InvalidRequestError(
                f"the runner of job {job.label} is of an older release, which can send no {name} without stopping "
                "the job; restart_job gives it one that can"
            )
        if not answer["pids"]:
            raise InvalidRequestError(
                f"no process of job {job.label} handles {name}, which would only have ended it, so it was not sent; "
                "kill_job without signal_only stops the job"
            )
        return answer["pids"]

    @contextlib.asynccontextmanager
    async def _channel(self, job: Job, what: str = "input") -> AsyncGenerator[Channel]:
        try:
            async with await self._connected(job, what) as channel:
                yield channel
        except RunnerTimeoutError as error:
            raise RunnerSilentError(
                f"the runner of job {job.label} does not answer; kill_job stops both it and the job"
            ) from error

    async def _way(self, job: Job) -> str:
        """Return what to do for a job that takes input, after one that has ended without."""
        if missed := await self._looker.missed_input(job):
            return f"; {missed}"
        spec = await lanes.look(self._places.store_of(job.job_id).spec, job.job_id)
        return (
            '; a job takes input if it was started with stdin="pipe" or "pty"'
            if spec and spec.stdin == "closed"
            else ""
        )

    async def _connected(self, job: Job, what: str) -> Channel:
        deadline = time.monotonic() + _START_PATIENCE_S
        while True:
            try:
                return await self._places.connect(job.job_id)
            except NoRunnerError as error:
                now, seen = await self._looker.look(job)
                if now.state not in (State.STARTING, State.RUNNING) or time.monotonic() >= deadline:
                    way = await self._way(now) if what == "input" else ""
                    raise JobEndedError(f"job {now.label} takes no {what}: it is {now.status}{way}") from error
            await asyncio.sleep(self._places.look_again_s(job.job_id, seen))
