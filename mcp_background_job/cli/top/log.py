"""The lines of one job's log that are at hand: a window on it, which follows its end or is moved along it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_background_job.cli.top.columns import Facts
from mcp_background_job.cli.top.pager import Line

if TYPE_CHECKING:
    from mcp_background_job.cli.top.desk import Desk

#: Lines that are read at once: some windows full.
_PAGE = 400

#: Lines that are kept. Who scrolls further reads what lies there again.
_MOST = 20_000

#: The same while the end is followed: what has scrolled away is read again by who looks back.
_FOLLOWED = 1000

#: What stands in a row, by its place: offset, moment, stream (0 for a note on missing bytes), text.
_OFFSET, _STREAM, _TEXT = 0, 2, 3

Row = list[Any]


class Log:
    """A window on a log.

    Attributes:
        rows: its lines.
        start: offset from which on they are at hand.
        next: offset up to which they are.
        end: offset behind the newest byte that is known of.
    """

    def __init__(self, desk: Desk, job_id: str) -> None:
        """Has read nothing yet."""
        self.job_id = job_id
        self.rows: list[Row] = []
        self.start = self.next = self.end = 0
        self._desk = desk

    @property
    def is_at_end(self) -> bool:
        """Whether the log goes on no further now."""
        return self.next >= self.end

    def lines(self) -> list[Line]:
        """Return the lines; a note on missing bytes is no output, and looks like none."""
        return [Line(str(row[_TEXT]), "" if row[_STREAM] else "dim") for row in self.rows]

    def offset_of(self, place: int) -> int:
        """Return where in the log one of the lines begins."""
        return int(self.rows[place][_OFFSET]) if place < len(self.rows) else self.next

    def place_of(self, offset: int) -> int:
        """Return which of the lines begins at an offset of the log, or next behind it."""
        return next((place for place, row in enumerate(self.rows) if row[_OFFSET] >= offset), len(self.rows) - 1)

    def take(self, news: Facts) -> None:
        """Take what was written: lines that may have changed, and new ones."""
        kept = [] if news["whole"] else [row for row in self.rows if row[_OFFSET] < news["start"]]
        rows = [*kept, *news["rows"]]
        begin = news["start"] if news["whole"] else self.start
        self.rows = rows[-_FOLLOWED:]
        self.start = begin if len(rows) == len(self.rows) else int(self.rows[0][_OFFSET])
        self.next, self.end = news["next"], news["end"]

    async def go(self, place: str, at: int = 0) -> int:
        """Read a window anew: at a ``place`` of ``log_window``; returns the offset that it is about."""
        got = await self._window(place, at)
        self.rows = got["rows"]
        self.start, self.next, self.end = got["start"], got["next"], got["end"]
        return int(got["at"])

    async def more_above(self) -> int:
        """Read on towards the beginning; returns how many lines that gave."""
        got = await self._window("before", self.start)
        rows = [*got["rows"], *self.rows]
        self.next = self.next if len(rows) <= _MOST else int(rows[_MOST][_OFFSET])
        self.rows, self.start, self.end = rows[:_MOST], got["start"], got["end"]
        return len(got["rows"])

    async def more_below(self) -> int:
        """Read on towards the end, the last line once more; returns how many lines were let go of above."""
        begin = int(self.rows[-1][_OFFSET]) if self.rows else self.next
        got = await self._window("behind", begin)
        rows = [*(row for row in self.rows if row[_OFFSET] < begin), *got["rows"]]
        dropped = max(0, len(rows) - _MOST)
        self.start = int(rows[dropped][_OFFSET]) if dropped else self.start
        self.rows, self.next, self.end = rows[dropped:], got["next"], got["end"]
        return dropped

    async def _window(self, place: str, at: int, **which: Any) -> Facts:
        wanted = {"lines": _PAGE, **which}
        return await self._desk.do("log_window", job_id=self.job_id, place=place, at=at, **wanted)

    async def seek(self, words: str, offset: int, *, forward: bool) -> tuple[int | None, int, bool]:
        """Search for a while; returns where a line was found, where to go on, and whether nothing is left to search."""
        if forward:
            found = await self._desk.do("search_log", job_id=self.job_id, pattern=words, begin=offset, limit=1)
            hits = found["hits"]
            return (hits[0]["offset"] if hits else None), found["next"], found["is_over"]
        got = await self._window("before", offset, find=words, only=True, lines=1)
        rows = got["rows"]
        return (int(rows[-1][_OFFSET]) if rows else None), got["start"], got["start"] <= got["first"]
