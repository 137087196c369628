"""Tells those who wait for jobs without a runner when to look again: one look at the queue for all of them."""

from __future__ import annotations

import asyncio
import time

from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.waiting.change import Change

#: How often to look whether a queued job is still in the queue: two listings, and only if something has changed.
_LOOK_AGAIN_S = 0.05

#: How often to look after dead runners, whose jobs others may wait for: nobody else would notice. The queue is then
#: listed in any case, since a time stamp may hide a change in the same instant.
_CARE_S = 0.5


class Turns:
    """When it is whose turn to look at its job again."""

    def __init__(self, places: Places) -> None:
        """Looks at nothing until somebody waits."""
        self._places = places
        self._queued: dict[str, Change] = {}
        self._task: asyncio.Task[None] | None = None

    async def next(self, job_id: str, seen: Observation) -> None:
        """Wait until another look at a job that was just seen may show a change."""
        if seen.state is not State.QUEUED:
            await asyncio.sleep(self._places.look_again_s(job_id, seen))
            return
        turn = self._queued.setdefault(job_id, Change())
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look())
        try:
            await turn.beyond(turn.count, None)
        finally:
            self._queued.pop(job_id, None)

    async def _look(self) -> None:
        try:
            await self._look_while_needed()
        except Exception as error:  # noqa: BLE001  whatever it is, it is for those who wait
            for turn in list(self._queued.values()):
                turn.fail(error)
        finally:
            self._task = None

    async def _look_while_needed(self) -> None:
        stamp: object = None
        next_care = 0.0
        while self._queued:
            await asyncio.sleep(_LOOK_AGAIN_S)
            now = time.monotonic()
            if now >= next_care:
                next_care = now + _CARE_S
                await self._places.tend()
                stamp = None
            before, stamp = stamp, await lanes.look(self._places.queue_changed_at)
            if stamp != before:
                await self._wake()

    async def _wake(self) -> None:
        waiting = await lanes.look(self._places.waiting)
        for job_id in self._queued.keys() - waiting:
            self._queued.pop(job_id).tell()
