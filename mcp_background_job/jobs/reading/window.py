"""A window on a log: lines around any place in it, from as much of the log as holds them.

A log has no count of lines, and may be of any size: a window is asked for by an offset and a direction, and says where
the windows before and behind it go on. Every window begins where a line does, so that what is read twice reads alike.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mcp_background_job.core.output.screen import incomplete_tail
from mcp_background_job.core.values import frozen
from mcp_background_job.executors.base import Store
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobs.reading.rows import LogRow, Stretch, stretch_of

#: Bytes that are read at once, and more with each further read. A line that is longer has more of them, up to so many,
#: and is then taken as it is. Backwards it begins with few: to render lines costs more than to read them, and what is
#: read beyond those that are asked for is rendered for nothing.
_CHUNK = 16 * 1024
_CHUNK_BACKWARDS = 4 * 1024
_LARGE_CHUNK = 256 * 1024
_LONGEST_LINE = 1024 * 1024

#: Characters of a window, so that an answer stays one of some hundred kilobytes, however long its lines are.
_MAX_CHARACTERS = 200_000

#: Bytes that are read for each line that is asked for, however few lines they give: a thousand alike are one. Lines
#: that must be found have their deadline.
_READ_FOR_LINE = 512

#: Bytes in which it is looked for what may still change.
_LIVE_READ = 24 * 1024

#: What the newest output may still draw over: with movements upwards the last lines, of so many bytes.
_DRAWN_OVER = 8 * 1024
_UPWARDS = re.compile(rb"\x1b\[\d*[AF]")

#: An unfinished line that is longer is read again from its last return on: a bar that is redrawn a million times.
_LONG_UNFINISHED = 16 * 1024

#: Tells which lines are wanted.
Wanted = Callable[[str], bool]


@frozen
class Window:
    """Lines of a log.

    Attributes:
        rows: the lines, in their order.
        start: offset from which on it is known; the window before ends here.
        next: offset up to which it is known; the window behind begins here.
        first: offset of the oldest byte that is kept.
        end: offset behind the newest byte.
        live: offset from which on the lines may change, or be more, when more is written.
    """

    rows: list[LogRow]
    start: int
    next: int
    first: int
    end: int
    live: int = 0


@dataclass
class View:
    """How somebody looks at a log.

    Attributes:
        store: what keeps it.
        job_id: whose it is.
        stream: of which stream; ``None`` for both.
        wanted: which lines; ``None`` for all.
        deadline: monotonic seconds, at which reading ends with what there is.
    """

    store: Store
    job_id: str
    stream: Stream | None = None
    wanted: Wanted | None = None
    deadline: float = field(default=float("inf"))

    def forward(self, offset: int, count: int) -> Window:
        """Return so many lines from an offset on, at which a line begins; fewer if there are no more.

        Call it in a thread.
        """
        rows: list[LogRow] = []
        position, start, size, limit = offset, None, 0, _CHUNK
        while True:
            stretch, cut = self._lines_from(position, limit)
            limit = min(2 * limit, _LARGE_CHUNK)
            start = stretch.start if start is None else start
            rows += (taken := self._wanted(stretch.rows(0, cut)))
            size += sum(len(row.text) for row in taken)
            position = stretch.offset_of(cut) if cut < len(stretch.data) else stretch.next
            if (
                position >= stretch.end
                or stretch.next <= stretch.start  # the index does not have these bytes yet
                or len(rows) >= count
                or size >= _MAX_CHARACTERS
                or self._is_enough(position - offset, count)
                or time.monotonic() > self.deadline
            ):
                live = min(_live(stretch, cut), position)
                return _first(Window(rows, start, position, stretch.first, stretch.end, live), count)

    def backward(self, offset: int, count: int) -> Window:
        """Return so many lines that end before an offset; fewer if there are no more. Call it in a thread."""
        rows: list[LogRow] = []
        position, size, limit = offset, 0, _CHUNK_BACKWARDS
        first, end = self.store.log_extent(self.job_id)
        position = min(position, end)
        while position > first and len(rows) < count and size < _MAX_CHARACTERS:
            begin, taken = self._lines_before(position, first, limit)
            limit = min(2 * limit, _LARGE_CHUNK)
            taken = self._wanted(taken)
            size += sum(len(row.text) for row in taken)
            rows = [*taken, *rows]
            position = begin
            if self._is_enough(offset - position, count) or time.monotonic() > self.deadline:
                break
        if len(rows) > count:
            rows = rows[-count:]
            position = rows[0].offset
        return Window(rows, min(position, offset), min(offset, end), first, end)

    def around(self, offset: int, count: int) -> Window:
        """Return lines on both sides of an offset, one third of them before it. Call it in a thread."""
        before = self.backward(self._line_start(offset), max(1, count // 3))
        behind = self.forward(before.next, count - len(before.rows))
        return Window([*before.rows, *behind.rows], before.start, behind.next, behind.first, behind.end, behind.live)

    def newest(self, count: int) -> Window:
        """Return the last lines; of many that are alike, which are shown as one, each counts. Call it in a thread."""
        first, end = self.store.log_extent(self.job_id)
        stretch = stretch_of(self.store, self.job_id, max(first, end - _LIVE_READ), _LIVE_READ, self.stream)
        live = _live(stretch, len(stretch.data))
        # As a rule they are among what was read for that: who follows a log asks for them several times a second.
        begin = _last_lines(stretch.data, count) if self.stream is None and self.wanted is None else None
        if begin is None:
            return replace(self.backward(end, count), live=min(live, end))
        rows = stretch.rows(begin, len(stretch.data))
        start = stretch.offset_of(begin) if len(rows) <= count else rows[-count].offset
        return Window(rows[-count:], start, stretch.next, stretch.first, stretch.end, min(live, stretch.next))

    def _line_start(self, offset: int) -> int:
        """Return where the line begins in which a byte stands."""
        first, end = self.store.log_extent(self.job_id)
        offset = min(max(offset, first), end)
        data = self.store.read_log(self.job_id, max(first, offset - _CHUNK), min(_CHUNK, offset - first)).data
        newline = data.rfind(b"\n")
        return offset - len(data) + newline + 1

    def _is_enough(self, read: int, count: int) -> bool:
        return self.wanted is None and read >= count * _READ_FOR_LINE

    def _wanted(self, rows: list[LogRow]) -> list[LogRow]:
        wanted = self.wanted
        return rows if wanted is None else [row for row in rows if row.stream is not None and wanted(row.text)]

    def _lines_from(self, offset: int, limit: int) -> tuple[Stretch, int]:
        """Read whole lines; returns how many of the bytes belong to them. At the end of the log all do."""
        while True:
            stretch = stretch_of(self.store, self.job_id, offset, limit, self.stream)
            if stretch.next >= stretch.end:
                return stretch, len(stretch.data)
            if cut := stretch.data.rfind(b"\n") + 1:
                return stretch, cut
            if limit >= _LONGEST_LINE or not stretch.data:
                return stretch, len(stretch.data) - incomplete_tail(stretch.data)
            limit *= 4

    def _lines_before(self, offset: int, first: int, limit: int) -> tuple[int, list[LogRow]]:
        """Read whole lines that end before an offset; returns where they begin, and them."""
        while True:
            begin = max(first, offset - limit)
            stretch = stretch_of(self.store, self.job_id, begin, offset - begin, self.stream)
            if stretch.start >= offset:
                return offset, []  # dropped meanwhile
            if begin <= first:
                return min(stretch.start, offset), stretch.rows(0, len(stretch.data))
            # The last newline ends the last line: it is another that says where one begins.
            if cut := stretch.data.find(b"\n", 0, max(0, len(stretch.data) - 1)) + 1:
                return stretch.offset_of(cut), stretch.rows(cut, len(stretch.data))
            if limit >= _LONGEST_LINE or not stretch.data:
                return begin, stretch.rows(0, len(stretch.data))
            limit *= 4


def _last_lines(data: bytes, count: int) -> int | None:
    """Return where so many last lines begin, ``None`` if there is no newline before them."""
    at = len(data) - 1  # a newline at the very end ends the last of them
    for _ in range(count):
        at = data.rfind(b"\n", 0, max(0, at))
        if at < 0:
            return None
    return at + 1


def _first(window: Window, count: int) -> Window:
    """Return a window without the lines behind the first so many."""
    if len(window.rows) <= count:
        return window
    end = window.rows[count].offset
    return replace(window, rows=window.rows[:count], next=end, live=min(window.live, end))


def _live(stretch: Stretch, cut: int) -> int:
    """Return the offset from which on the newest lines may still change."""
    data = stretch.data[:cut]
    begin = data.rfind(b"\n") + 1
    if cut - begin > _LONG_UNFINISHED:
        begin = max(data.rfind(b"\r") + 1, begin) if data.rfind(b"\r") > cut - _LONG_UNFINISHED else cut
    elif _UPWARDS.search(data, max(0, cut - _DRAWN_OVER)):
        begin = data.rfind(b"\n", 0, max(0, cut - _DRAWN_OVER)) + 1
    return stretch.offset_of(begin) if begin < len(stretch.data) else stretch.next
