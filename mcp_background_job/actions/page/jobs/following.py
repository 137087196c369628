"""A job's output as it is written: the subject ``log``, and ``screen`` for jobs on a terminal."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.page.jobs.log import Reader, Reading
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject
from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.reading.window import View, Window
from mcp_background_job.jobs.waiting.hub import Watched

#: A follower that is this many bytes behind is shown the end: nobody reads so fast.
_FAR_BEHIND = 64 * 1024

#: The lines of the end that are shown first: more than a screen has. Earlier lines come when the reader nears them.
_ROWS = 100

#: Seconds for which new output gathers before a look.
_EVERY_S = 0.1

#: An entry of the log's index follows its bytes at once; if the disk is full, it never comes.
_ENTRY_S = 0.25


@dataclass(frozen=True)
class _Place:
    """How far a page has read.

    Attributes:
        live: offset from which the shown output may still change.
        next: offset up to which the page has seen the log.
        end: offset behind the newest byte at that time.
        over: whether nothing will follow.
    """

    live: int
    next: int
    end: int
    over: bool

    @classmethod
    def of(cls, cursor: Cursor) -> _Place | None:
        """Return the place that a cursor means, ``None`` if it is not understood."""
        match cursor:
            case [int(live), int(behind), int(end), bool(over)] if 0 <= live <= behind <= end:
                return cls(live, behind, end, over)
            case _:
                return None

    @property
    def cursor(self) -> list[int | bool]:
        return [self.live, self.next, self.end, self.over]


class Following:
    """Watches logs for pages."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def look(self, caller: Caller, request: Reading, cursor: Cursor) -> Seen | None:
        """Return the output behind a cursor, with the lines that it changed."""
        seen = _Place.of(cursor)
        if seen is None:
            await self._manager.find(request.job_id, caller.looks)  # raises if there is no such job
        over = await self._is_over(request.job_id)  # checked first: all output of an ended job is in the log then
        reader = Reader(self._manager.places.store_of(request.job_id), request)

        def window(view: View) -> Window:
            end = view.store.log_extent(view.job_id)[1]
            if seen is None or end - seen.live > _FAR_BEHIND or end < seen.end:
                return view.newest(_ROWS)
            return view.forward(seen.live, _FAR_BEHIND)

        found = await reader.read(window)
        now = _Place(found.live, found.next, found.end, over)
        if now == seen:
            return None
        is_whole = seen is None or found.start != seen.live
        return Seen(now.cursor, {**reader.facts(found), "whole": is_whole, "over": over})

    async def wait(self, _caller: Caller, request: Reading, cursor: Cursor) -> None:
        """Return when something was written, or when the job is over."""
        seen = _Place.of(cursor)
        if seen is None:
            return
        if seen.over and seen.next >= seen.end:
            await asyncio.Event().wait()
        async with self._manager.hub.watching(request.job_id, output=True, every_s=_EVERY_S) as watched:
            while watched.size <= seen.end and not (_is_over(watched) and not seen.over):
                count = watched.output.count
                if seen.next < seen.end:
                    await watched.output.beyond(count, _ENTRY_S)
                    return
                await watched.output.beyond(count, None)

    def keep(self, _caller: Caller, request: Reading | Screen) -> AbstractAsyncContextManager[object]:
        """Keep the connection to the job's runner."""
        return self._manager.hub.watching(request.job_id, output=True, every_s=_EVERY_S)

    async def screen(self, caller: Caller, request: Screen, cursor: Cursor) -> Seen | None:
        """Return what a job's terminal shows, if there is more output than a cursor has seen."""
        job = await self._manager.find(request.job_id, caller.looks)
        over = job.state is State.EXITED
        picture = await self._manager.screen(job)
        if cursor == (now := [picture.next, over]):
            return None
        return Seen(now, {"text": picture.text, "row": picture.row, "column": picture.column, "over": over})

    async def wait_for_screen(self, caller: Caller, request: Screen, cursor: Cursor) -> None:
        """Return when the job has written, or is over."""
        match cursor:
            case [int(end), bool(over)]:
                place = _Place(end, end, end, over)
                await self.wait(caller, Reading(job_id=request.job_id), place.cursor)
            case _:
                return

    async def _is_over(self, job_id: str) -> bool:
        seen = (await lanes.look(self._manager.places.look, [job_id])).get(job_id)
        return seen is None or seen.state is State.EXITED


@dataclass(frozen=True, kw_only=True)
class Screen:
    """The screen of a job on a terminal."""

    job_id: Word


def _is_over(watched: Watched) -> bool:
    return watched.seen is not None and watched.seen.state is State.EXITED


def following_subjects(manager: JobManager) -> list[Subject[Any]]:
    """Return the log and the screen of a job as subjects."""
    following = Following(manager)
    return [
        Subject("log", Reading, following.look, following.wait, following.keep),
        Subject("screen", Screen, following.screen, following.wait_for_screen, following.keep),
    ]
