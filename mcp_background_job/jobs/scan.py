"""Looks for a regular expression in output that is still being written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from mcp_background_job.core.gaps import Gap, Why, stretches, summary
from mcp_background_job.core.screen import plain_lines
from mcp_background_job.core.text import one_line
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Store
from mcp_background_job.jobs.output import found

if TYPE_CHECKING:
    import regex

#: Bytes searched at once: a piece takes milliseconds, and a long log does not come into memory whole.
PIECE = 1024 * 1024

#: Of a line that has not ended this much is searched again when more of it has come.
_MAX_UNFINISHED = 64 * 1024

_MAX_SHOWN = 300


class Scanner:
    """Searches a log for up to two expressions, each byte once (an unfinished line again).

    Attributes:
        offset: where it goes on.
        matched: the line in which ``until`` was found.
        failed: the line in which ``fail_on`` was found.
    """

    # A match across a place where bytes are missing would be none of the output: each stretch is searched by itself.

    def __init__(self, until: regex.Pattern[str] | None, fail_on: regex.Pattern[str] | None, offset: int) -> None:
        """Begins at an offset of the log."""
        self.offset = offset
        self.matched: str | None = None
        self.failed: str | None = None
        self._until = until
        self._fail_on = fail_on
        self._missing: dict[tuple[int, Why], Gap] = {}  # by where they are: an unfinished line is searched again

    @property
    def is_over(self) -> bool:
        """Whether one of them was found."""
        return self.matched is not None or self.failed is not None

    @property
    def skipped(self) -> str | None:
        """How many bytes could not be searched, in words; ``None`` if all was."""
        return summary(self._missing.values())

    def scan(self, store: Store, job_id: str) -> int:
        """Search the next piece of what has come since the last time; blocks, so call it in a thread.

        Returns the offset up to which it has looked.
        """
        piece = store.read_log(job_id, self.offset, PIECE)
        self._missing.update({(gap.offset, gap.why): gap for gap in piece.gaps})
        if not piece.data:
            self.offset = max(self.offset, piece.next)  # further on, if all was dropped meanwhile
            return piece.end
        for _, _, stretch in stretches(piece.data, piece.gaps):
            if not self.is_over:
                self._search(stretch)
        finished = piece.data.rfind(b"\n") + 1
        if len(piece.data) - finished > _MAX_UNFINISHED:
            finished = len(piece.data)
        self.offset = piece.start + finished
        return piece.next

    def _search(self, data: bytes) -> None:
        text = plain_lines(data.decode("utf-8", "replace"))
        failed = found(self._fail_on, text) if self._fail_on else None
        matched = found(self._until, text) if self._until else None
        # Whichever came first is what happened.
        if failed and (not matched or failed.start() <= matched.start()):
            self.failed = _line_around(text, failed.start())
        elif matched:
            self.matched = _line_around(text, matched.start())


def _line_around(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return one_line(text[start : end if end >= 0 else len(text)], _MAX_SHOWN)


class Search:
    """One search that several callers share."""

    def __init__(self, store: Store, job_id: str, scanner: Scanner) -> None:
        """Begins where the scanner does."""
        self.scanner = scanner
        self._store = store
        self._job_id = job_id
        self._turn = asyncio.Lock()
        self._searched = -1

    async def up_to(self, size: int) -> None:
        """Search all that was written up to this offset, and has not been searched before."""
        if self._searched >= size:
            return
        async with self._turn:
            while self._searched < size and not self.scanner.is_over:
                # A piece at a time: other searches get their turns in between.
                self._searched = await lanes.scan(self.scanner.scan, self._store, self._job_id)


class Searches:
    """The searches in one job's output, for as long as somebody needs them."""

    def __init__(self, store: Store, job_id: str) -> None:
        """Has none yet."""
        self._store = store
        self._job_id = job_id
        self._shared: WeakValueDictionary[object, Search] = WeakValueDictionary()

    def of(self, until: regex.Pattern[str] | None, fail_on: regex.Pattern[str] | None, since: int) -> Search:
        """Return the search for these expressions from an offset on."""
        key = (until and until.pattern, fail_on and fail_on.pattern, since)
        search = self._shared.get(key)
        if search is None:
            search = self._shared[key] = Search(self._store, self._job_id, Scanner(until, fail_on, since))
        return search
