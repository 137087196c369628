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

#: For so long (seconds) nobody may be there to be connected to. A job that was just started may be on its way to its
#: runner, which takes long on a busy machine, or in the queue although there is room; and a job that ends, or whose
#: socket was removed, is shown as running for a moment, or for ever.
_PATIENCE_S = {State.STARTING: 30.0, State.QUEUED: 1.0, State.RUNNING: 3.0, State.EXITED: 0.0}

#: Input is sent in pieces, each with room to spare in what a runner takes as one request.
_PIECE = 256 * 1024

#: Whoever has begun to read a long input, and has then read nothing for so long, will not be waited for.
_READ_PATIENCE_S = 10.0

#: How often to look whether it has read on.
_LOOK_AGAIN_S = 0.05


class Talker:
    """Talks to jobs; see ``JobManager`` for what is not said here."""

    def __init__(self, places: Places, looker: Looker) -> None:
        """Takes its parts."""
        self._places = places
        self._looker = looker

    async def send_input(self, job: Job, data: bytes, *, eof: bool) -> None:
        """Write to a job's stdin: what is long, in pieces, as fast as the job reads."""
        sent = 0
        async with self._channel(job) as channel:
            while True:
                piece = data[sent : sent + _PIECE]
                ends = sent + len(piece) == len(data)
                await self._send_piece(job, channel, piece, eof=eof and ends, sent=sent)
                sent += len(piece)
                if ends:
                    return

    async def _send_piece(self, job: Job, channel: Channel, piece: bytes, *, eof: bool, sent: int) -> None:
        """Send a piece of input behind others of which ``sent`` bytes were sent."""
        unread, read_at = 0, time.monotonic()
        while True:
            answer = await channel.send_input(piece, eof=eof)
            if answer is None:
                how_far = f"when {sent} bytes of the input had reached it" if sent else "before the input reached it"
                raise JobEndedError(f"job {job.label} ended {how_far}")
            if answer.get("error") == "closed":
                raise StdinClosedError(
                    f'the stdin of job {job.label} is closed: start the job with stdin="pipe" to send it input, '
                    'or with stdin="pty" if it wants a terminal'
                )
            if answer.get("error") != "full":
                return
            if answer["unread"] != unread:
                unread, read_at = answer["unread"], time.monotonic()
            if not sent or time.monotonic() - read_at > _READ_PATIENCE_S:
                so_far = f"; {sent} bytes of this input are among them, and the rest was not sent" if sent else ""
                raise InvalidRequestError(
                    f"job {job.label} has not read the {answer['unread']} bytes of input that it was sent "
                    f"before{so_far}"
                )
            await asyncio.sleep(_LOOK_AGAIN_S)

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
                f"{name} was not sent: no process of job {job.label} is known to handle it, and it ends a process that "
                "does not; kill_job with signal_only=false stops the job"
            )
        return answer["pids"]

    @contextlib.asynccontextmanager
    async def _channel(self, job: Job, what: str = "input") -> AsyncGenerator[Channel]:
        try:
            async with await self._connected(job, what) as channel:
                yield channel
        except RunnerTimeoutError as error:
            raise RunnerSilentError(await self._silence(job, error)) from error

    async def _silence(self, job: Job, error: RunnerTimeoutError) -> str:
        seen = (await lanes.look(self._places.look, [job.job_id])).get(job.job_id)
        if seen is None or seen.engine is None:
            return f"the runner of job {job.label} does not answer; kill_job stops both it and the job"
        # On the way to a runner on a node, more than the runner can be silent.
        why = seen.engine_note or str(error)
        return f"the runner of job {job.label} cannot be reached: {why}; try again later, or stop the job with kill_job"

    async def _way(self, job: Job) -> str:
        """Return what to do for a job that takes input, after one that has ended without."""
        from mcp_background_job.jobs.ending import missed_input_of  # noqa: PLC0415  most jobs take input

        spec = await lanes.look(self._places.store_of(job.job_id).spec, job.job_id)
        if spec is None or spec.stdin != "closed":
            return ""
        missed = await lanes.look(missed_input_of, self._places, job, spec)
        return "; " + (missed or 'a job takes input if it was started with stdin="pipe" or stdin="pty"')

    async def _connected(self, job: Job, what: str) -> Channel:
        began = time.monotonic()
        while True:
            try:
                return await self._places.connect(job.job_id)
            except NoRunnerError as error:
                now, seen = await self._looker.look(job)
                if time.monotonic() - began >= _PATIENCE_S[now.state]:
                    way = await self._way(now) if what == "input" else ""
                    raise JobEndedError(f"job {now.label} takes no {what}: it is {now.status}{way}") from error
            await asyncio.sleep(self._places.look_again_s(job.job_id, seen))
