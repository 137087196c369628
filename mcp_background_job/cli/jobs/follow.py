"""Reads a job's log from an offset on, as it is written, until the job is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from mcp_background_job.cli import terminal
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes, looping
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.reader import Piece
from mcp_background_job.jobs.left import has_left_running
from mcp_background_job.jobs.manager import JobManager

#: Bytes read at once.
_PIECE = 1024 * 1024

#: After news of output, more of it is let come in before it is read: one read for a burst.
_GATHER_S = 0.02

#: News that never come, since a runner may be stopped or stuck, are not waited for longer than this.
_PATIENCE_S = 5.0


class Follower:
    """Follows one job's log."""

    def __init__(self, manager: JobManager, job: Job, offset: int, stream: Stream | None = None) -> None:
        """Begins at an offset; both streams unless one is named."""
        self._manager = manager
        self._job_id = job.job_id
        self._store = manager.places.store_of(job.job_id)
        self._offset = offset
        self._stream = stream
        self._knows_leader_exit = False
        self._told_loss_at = -1  # at the end of the log, where reading again finds it again

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield what is there and what comes, until the job is over."""
        while True:
            # The job is looked at first and its log read afterwards: what an ended job wrote is then all there.
            job = await self._manager.find(self._job_id)
            piece = await self._read()
            if piece is not None:
                yield piece
            elif job.state is State.EXITED:
                return
            else:
                await self._news()

    async def pieces_so_far(self) -> AsyncIterator[Piece]:
        """Yield what is there, up to where the log ends now."""
        end = (await lanes.look(self._store.read_log, self._job_id, 0, 0)).end
        while self._offset < end:
            piece = await self._read()
            if piece is None:
                return
            yield piece

    async def _read(self) -> Piece | None:
        piece = await lanes.scan(self._store.read_log, self._job_id, self._offset, _PIECE, self._stream)
        gaps = tuple(gap for gap in piece.gaps if gap.offset != self._told_loss_at)
        if piece.next == self._offset and not gaps:
            return None
        self._offset = piece.next
        if any(gap.offset == piece.next for gap in gaps):
            self._told_loss_at = piece.next
        return replace(piece, gaps=gaps)

    async def _news(self) -> None:
        await looping.needed()
        import asyncio  # noqa: PLC0415  see ``looping``

        from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError  # noqa: PLC0415

        try:
            async with asyncio.timeout(_PATIENCE_S), await self._manager.places.connect(self._job_id) as runner:
                news = await runner.watch(self._offset, leader_exited=self._knows_leader_exit)
        except TimeoutError:
            return
        except (NoRunnerError, RunnerTimeoutError):
            await asyncio.sleep(self._manager.places.look_again_s(self._job_id, None))
            return
        if news and news.leader_exited and not self._knows_leader_exit:
            self._knows_leader_exit = True
            await self._tell_if_left_running()
        elif news:
            await asyncio.sleep(_GATHER_S)

    async def _tell_if_left_running(self) -> None:
        # The runner's news say that the command is over, also while it reads the last output of a job that is over
        # altogether; what it publishes says so only if processes were left.
        seen = (await lanes.look(self._manager.places.look, [self._job_id])).get(self._job_id)
        if seen and await lanes.look(has_left_running, self._manager.places, self._job_id, seen):
            terminal.say(left_running(self._job_id))


def left_running(label: str) -> str:
    """Return what is said when a command is over and processes that it started are not."""
    return (
        f"the command of job {label} has ended; processes that it left in the background run on, and so does the job: "
        "kill ends them"
    )
