"""Searches logs for lines, for a while at a time: what is not searched then is searched by the next call."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

from mcp_background_job.core.output.trouble import NEEDLES, is_trouble
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors.base import Store
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobs.output import compile_regex
from mcp_background_job.jobs.reading.rows import stretch_of
from mcp_background_job.jobs.reading.text import LogText

#: Bytes that are searched at once: some milliseconds, after which other threads and the clock are looked at.
_PIECE = 512 * 1024

#: An expression has this long for one piece; one that needs longer would not get through a log in anybody's time.
_PIECE_S = 1.0

_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")


@frozen
class Hit:
    """A line that was found: where in the log it begins, when it was written if that is known, and its text."""

    offset: int
    at: float | None
    line: str


@frozen
class Sought:
    """What is looked for.

    Attributes:
        matches: yields where in a text it stands: from which character to which.
        needles: small letters of which each line has one that it stands in; none if that is not known.
    """

    matches: Callable[[str], Iterator[tuple[int, int]]]
    needles: tuple[bytes, ...]

    def may_be_in(self, data: bytes) -> bool:
        """Tell, quickly, whether bytes are worth a search."""
        if not self.needles or b"\x1b" in data:  # styles may stand within a word
            return True
        small = data.lower()
        return any(needle in small for needle in self.needles)

    def is_in(self, line: str) -> bool:
        """Tell whether a line has it."""
        return next(self.matches(line), None) is not None


def sought_of(pattern: str) -> Sought:
    """Return what a regular expression means; small letters in it mean capitals too, unless it has such itself.

    Raises:
        InvalidRequestError: it is not an expression.
    """
    ignores_case = pattern == pattern.lower()
    expression = compile_regex(f"(?i){pattern}" if ignores_case else pattern, "pattern")

    def matches(text: str) -> Iterator[tuple[int, int]]:
        try:
            for match in expression.finditer(text, timeout=_PIECE_S, concurrent=True):
                yield match.span()
        except TimeoutError as error:
            raise InvalidRequestError(
                f"the regular expression {pattern!r} takes more than {_PIECE_S:g} s on a piece of output: "
                "make it simpler"
            ) from error

    # Bytes know capitals of ASCII alone.
    is_text = pattern.isascii() and not _SPECIAL.search(pattern)
    return Sought(matches, (pattern.lower().encode(),) if is_text and pattern else ())


def trouble() -> Sought:
    """Return what lines have that tell that something went wrong."""

    def matches(text: str) -> Iterator[tuple[int, int]]:
        begin = 0
        for line in text.split("\n"):
            if is_trouble(line):
                yield begin, begin + len(line)
            begin += len(line) + 1

    return Sought(matches, NEEDLES)


@frozen
class Searched:
    """What a search has found so far.

    Attributes:
        hits: lines, in their order.
        next: offset from which on to search next; what is found there takes the place of what was found there before.
        end: offset behind the newest byte.
        is_over: it has come to the end.
    """

    hits: list[Hit]
    next: int
    end: int
    is_over: bool


def search(
    store: Store, job_id: str, sought: Sought, *, begin: int, stream: Stream | None, limit: int, deadline: float
) -> Searched:
    """Search a log from the beginning of a line on, until there are so many hits or the time is over.

    The last line is searched too if it is not finished. Call it in a thread.
    """
    hits: list[Hit] = []
    position = begin
    while True:
        stretch = stretch_of(store, job_id, position, _PIECE, stream)
        is_last = stretch.next >= stretch.end or stretch.next <= stretch.start
        cut = len(stretch.data) if is_last else (stretch.data.rfind(b"\n") + 1 or len(stretch.data))
        behind = stretch.offset_of(cut) if cut < len(stretch.data) else stretch.next
        data = stretch.data[:cut]
        if data and sought.may_be_in(data):
            text = LogText(data, 0)
            for line, place in _lines(text, sought):
                offset = stretch.offset_of(place)
                if len(hits) >= limit:
                    return Searched(hits, offset, stretch.end, is_over=False)
                part = stretch.part_at(offset)
                hits.append(Hit(offset, part.at if part else None, text.line_at(line)))
        if is_last:  # its last line may go on
            return Searched(hits, stretch.offset_of(data.rfind(b"\n") + 1), stretch.end, is_over=True)
        position = max(behind, position)
        if time.monotonic() > deadline:
            return Searched(hits, position, stretch.end, is_over=False)


def _lines(text: LogText, sought: Sought) -> Iterator[tuple[int, int]]:
    """Yield where the lines begin in which something stands, each once: in the plain text, and in the bytes."""
    last, known, place = -1, 0, 0
    for position, _ in sought.matches(text.plain):
        line = text.line_start(position)
        if line == last:
            continue
        # Without styles one text is as long as the other: then no byte is looked at twice.
        place = text.offset_of(line) if text.has_styles else place + text.size_between(known, line)
        last = known = line
        yield line, place
