"""Looks for regular expressions in output that is still being written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from mcp_background_job.core.output.gaps import Gap, Why, stretches, summary
from mcp_background_job.core.values import frozen
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Store
from mcp_background_job.jobs.output import found
from mcp_background_job.jobs.reading.text import LogText

if TYPE_CHECKING:
    import regex

#: Bytes searched at once: a piece takes milliseconds, and a long log does not come into memory whole.
PIECE = 1024 * 1024

#: Of a line that has not ended this much is searched again when more of it has come.
_MAX_UNFINISHED = 64 * 1024

#: So much of finished lines is searched again: an expression may mean several lines, which come one by one.
_SEVERAL_LINES = 4 * 1024

_NEWLINE = ord("\n")

#: Searches that are remembered while nobody waits: each is a few hundred bytes, and a client looks at fewer tasks.
_KEPT = 256


@frozen
class Found:
    """Where an expression was found.

    Attributes:
        line: what stands there.
        behind: offset in the log from which the next match may be found.
    """

    line: str
    behind: int


@frozen
class Sought:
    """An expression, and the offset in the log from which it is looked for."""

    pattern: regex.Pattern[str]
    since: int = 0

    @property
    def as_text(self) -> str | None:
        """The expression taken as plain text, ``None`` if it means the same."""
        text = self.pattern.pattern
        return text if set(text) & _SPECIAL else None


_SPECIAL = frozenset(r"\.^$*+?{}[]|()")


class Scanner:
    """Searches a log for up to two expressions: each byte once, and the newest again when more has come.

    Attributes:
        offset: where it goes on.
        matched: where ``until`` was found.
        failed: where ``fail_on`` was found.
        as_text: lines in which an expression stands as plain text, by the expression.
    """

    # A match across a place where bytes are missing would be none of the output: each stretch is searched by itself.

    def __init__(self, until: Sought | None, fail_on: Sought | None) -> None:
        """Begins where the first of the expressions may be found."""
        self._until = until
        self._fail_on = fail_on
        self._since = min((sought.since for sought in (until, fail_on) if sought), default=0)
        # The line before belongs to it: what an expression says of the beginning of a line must hold there.
        self.offset = max(0, self._since - _MAX_UNFINISHED)
        self._begins_within_line = False
        self.matched: Found | None = None
        self.failed: Found | None = None
        self.as_text: dict[str, str] = {}
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
        self._missing.update({(gap.offset, gap.why): gap for gap in _behind(piece.gaps, self._since)})
        if not piece.data:
            self.offset = max(self.offset, piece.next)  # further on, if all was dropped meanwhile
            return piece.end
        began_within_line = self._begins_within_line
        for _, begin, stretch in stretches(piece.data, piece.gaps):
            if not self.is_over:
                self._search(LogText(stretch, piece.start + begin))
                self._begins_within_line = False
        again = _searched_again(piece.data)
        self.offset = piece.start + again
        self._begins_within_line = piece.data[again - 1] != _NEWLINE if again else began_within_line
        return piece.next

    def _search(self, text: LogText) -> None:
        failed, matched = self._first(self._fail_on, text), self._first(self._until, text)
        # Whichever came first is what happened.
        if failed and (not matched or failed.start() <= matched.start()):
            self.failed = _found(text, failed)
        elif matched:
            self.matched = _found(text, matched)

    def _first(self, sought: Sought | None, text: LogText) -> regex.Match[str] | None:
        if sought is None:
            return None
        begin = max(text.position_of(sought.since), int(self._begins_within_line))
        if begin >= len(text.plain):
            return None
        match = found(sought.pattern, text.plain, begin)
        literal = sought.as_text
        if match is None and literal and (at := text.plain.find(literal, begin)) >= 0:
            self.as_text[literal] = text.line_at(at)
        return match


def _searched_again(data: bytes) -> int:
    """Return where in what was searched the next search begins: with a line if there is one not too far back."""
    unfinished = data.rfind(b"\n") + 1
    lines = data.rfind(b"\n", 0, max(0, len(data) - _SEVERAL_LINES)) + 1
    return max(min(unfinished, lines), len(data) - _MAX_UNFINISHED, 0)


def _found(text: LogText, match: regex.Match[str]) -> Found:
    # An empty match would be found at the same place for ever.
    behind = max(match.end(), match.start() + 1)
    return Found(text.line_at(match.start()), text.offset_of(behind) + max(0, behind - len(text.plain)))


def _behind(gaps: Iterable[Gap], since: int) -> list[Gap]:
    """Return what is missing of the bytes from an offset on."""
    cut = [
        replace(gap, count=min(gap.count, gap.offset + gap.count - since)) if gap.why is Why.DROPPED else gap
        for gap in gaps
    ]
    return [gap for gap in cut if gap.count > 0 and (gap.why is Why.DROPPED or gap.offset >= since)]


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
    """The searches in the output of all jobs, for as long as somebody needs them, and the latest a while longer.

    Who looks again and again, without waiting in between, goes on where the last look has ended.
    """

    def __init__(self) -> None:
        """Has none yet."""
        self._shared: WeakValueDictionary[object, Search] = WeakValueDictionary()
        self._latest: deque[Search] = deque(maxlen=_KEPT)

    def of(self, store: Store, job_id: str, until: Sought | None, fail_on: Sought | None) -> Search:
        """Return the search for these expressions in the output of a job."""
        key = (job_id, *(sought and (sought.pattern.pattern, sought.since) for sought in (until, fail_on)))
        search = self._shared.get(key)
        if search is None:
            search = self._shared[key] = Search(store, job_id, Scanner(until, fail_on))
            self._latest.append(search)
        return search
