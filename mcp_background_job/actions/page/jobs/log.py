"""Windows on a job's log, as lines with their place and time; and the log as a download."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.output import StreamName
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.page.download import Download, Downloadable
from mcp_background_job.core.output.trouble import failure_in
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Store
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import stream_of
from mcp_background_job.jobs.reading.rows import LogRow
from mcp_background_job.jobs.reading.search import Sought, sought_of
from mcp_background_job.jobs.reading.window import View, Window

Result = TypeVar("Result")

#: The number of lines of a window by default; and at most.
_ROWS = 200
_MAX_ROWS = 1000

#: The lines in which a failure is searched: a failing job reports it near its end.
_FAILURE_ROWS = 1000

#: The most matches that are marked in one line.
_MAX_MARKS = 20

#: Seconds of one search for matching lines; the page asks again for the rest.
_FINDING_S = 2.0

#: The bytes of a download that are read at once.
_PIECE = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a log is read.

    Attributes:
        find: regular expression whose matches are marked in the lines.
        only: whether lines without a match are left out.
    """

    job_id: Word
    stream: StreamName = "both"
    find: str | None = None
    only: bool = False


Where = Literal["start", "end", "before", "behind", "around", "failure"]


@dataclass(frozen=True, kw_only=True)
class Place(Reading):
    """A window on a log.

    Attributes:
        at: an offset, for ``before``, ``behind`` and ``around``.
        time: a moment instead of ``at`` (seconds since the epoch).
    """

    place: Where = "end"
    at: int = 0
    time: float | None = None
    lines: Annotated[int, Field(ge=1, le=_MAX_ROWS)] = _ROWS


class Reader:
    """Reads a log as a request asks."""

    def __init__(self, store: Store, request: Reading) -> None:
        """Takes the store of the log, and the request.

        Raises:
            InvalidRequestError: ``find`` is not a valid expression.
        """
        self._store = store
        self._request = request
        self._sought: Sought | None = sought_of(request.find) if request.find else None

    async def read(self, look: Callable[[View], Result]) -> Result:
        """Look at the log, in the lane for slow work: finding the matching lines may take seconds."""
        wanted = self._sought.is_in if self._sought and self._request.only else None
        deadline = time.monotonic() + _FINDING_S if wanted else float("inf")
        view = View(self._store, self._request.job_id, stream_of(self._request.stream), wanted, deadline)
        return await (lanes.search if wanted else lanes.scan)(look, view)

    def facts(self, window: Window) -> Facts:
        """Return a window in the form for pages.

        Each row has the offset of a line, when it was written (milliseconds since the epoch), its stream (0 for a
        note), its text and, if there are any, the matches in it.
        """
        return {
            "rows": [self._row(row) for row in window.rows],
            "start": window.start,
            "next": window.next,
            "first": window.first,
            "end": window.end,
        }

    def _row(self, row: LogRow) -> list[Any]:
        at = None if row.at is None else round(row.at * 1000)
        told: list[Any] = [row.offset, at, int(row.stream or 0), row.text]
        if self._sought and row.stream:
            marks = [span for span in self._sought.matches(row.text) if span[0] < span[1]]
            told += [marks[:_MAX_MARKS]] if marks else []
        return told


class Logs:
    """``log_window``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def log_window(self, caller: Caller, request: Place) -> Facts:
        """Return lines of a job's log around a place in it, and where the windows before and behind continue."""
        job = await self._manager.find(request.job_id, caller.looks)
        store = self._manager.places.store_of(job.job_id)
        reader = Reader(store, replace(request, job_id=job.job_id))

        def look(view: View) -> tuple[Window, int]:
            at = request.at if request.time is None else store.offset_at(job.job_id, request.time)
            return _window(view, request.place, at, request.lines)

        window, at = await reader.read(look)
        return {**reader.facts(window), "at": at}


def _window(view: View, place: Where, at: int, lines: int) -> tuple[Window, int]:
    """Return a window, and the offset that it is about."""
    match place:
        case "before":
            return view.backward(at, lines), at
        case "behind":
            return view.forward(at, lines), at
        case "around":
            return view.around(at, lines), at
        case "start":
            window = view.forward(0, lines)
            return window, window.start
        case "failure":
            newest = view.newest(_FAILURE_ROWS)
            number = failure_in([row.text for row in newest.rows])
            if number is not None:
                at = newest.rows[number].offset
                return view.around(at, lines), at
        case "end":
            pass
    window = view.newest(lines)
    return window, window.end


def log_download(manager: JobManager) -> Downloadable[Reading]:
    """Return the log of a job as a download: all of it as written, or some lines as shown."""

    async def found(caller: Caller, request: Reading) -> Download:
        job = await manager.find(request.job_id, caller.looks)
        store = manager.places.store_of(job.job_id)
        reader = Reader(store, replace(request, job_id=job.job_id))  # raises now if an expression is invalid
        is_whole = request.stream == "both" and not request.only
        chunks = (lambda: _as_written(store, job.job_id)) if is_whole else (lambda: _as_shown(reader))
        return Download(f"{job.name or job.job_id}.log", "application/octet-stream", chunks)

    return Downloadable("log", Reading, found)


async def _as_written(store: Store, job_id: str) -> AsyncGenerator[bytes]:
    offset = 0
    while (piece := await lanes.scan(store.read_log, job_id, offset, _PIECE)).data:
        offset = piece.next
        yield piece.data


async def _as_shown(reader: Reader) -> AsyncGenerator[bytes]:
    offset = -1
    while True:
        begin = max(0, offset)
        window = await reader.read(lambda view: view.forward(begin, _MAX_ROWS))  # noqa: B023  awaited at once
        yield "".join(f"{row.text}\n" for row in window.rows).encode()
        if window.next >= window.end or window.next <= offset:
            return
        offset = window.next
