"""Splits an agent's stdout into lines, and notes when each line ended.

Lines of a megabyte are usual: an agent prints the output of its tools as one JSON object. A line longer than
``MAX_LINE``, or one with missing bytes, is replaced by the number of bytes that were left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mcp_background_job.jobdir.log.reader import Part

#: The longest line that an agent was seen to write has 2 MB; this bounds memory, not agents.
MAX_LINE = 8 * 1024 * 1024

Why = Literal["too_long", "dropped"]


@dataclass(frozen=True)
class Skip:
    """Bytes that are left out up to the next newline, and why: the line is too long, or bytes of it are missing."""

    count: int
    why: Why


@dataclass(frozen=True)
class Line:
    """A line without its newline, or a note of what was left out in its place.

    Attributes:
        data: the line.
        at: when its end was written (seconds since the epoch).
        skipped: the bytes that were left out, instead of ``data``.
    """

    data: bytes
    at: float
    skipped: Skip | None = None


class LineSplitter:
    """Takes parts of the log, in order, and returns lines: the same ones however the log is divided into parts.

    Attributes:
        skip: the bytes that are being left out, if any.
    """

    def __init__(self, skip: Skip | None = None) -> None:
        """Starts at the start of a line, or within one that is being left out."""
        self.skip = skip
        self._unfinished: list[bytes] = []
        self._size = 0
        self._line_start: int | None = None
        self._last_at = 0.0

    def resume_at(self, read_to: int) -> int:
        """Return the offset at which another splitter with the same ``skip`` has to continue.

        Args:
            read_to: the offset up to which the log was read.
        """
        return read_to if self._line_start is None else self._line_start

    def missing(self, count: int) -> None:
        """Note that bytes are missing before the next part."""
        self._leave_out(count, "dropped")

    def feed(self, part: Part) -> list[Line]:
        """Take a part; returns the lines that end in it."""
        if part.lost:
            self.missing(part.lost)
        self._last_at = part.at
        lines: list[Line] = []
        begin = 0
        while (newline := part.data.find(b"\n", begin)) >= 0:
            self._take(part.data[begin:newline], part.offset + begin)
            lines.append(self._finished(part.at))
            begin = newline + 1
        if begin < len(part.data):
            self._take(part.data[begin:], part.offset + begin)
        return lines

    def rest(self) -> list[Line]:
        """Return the last line, if the stream does not end with a newline."""
        if self._line_start is None and self.skip is None:
            return []
        return [self._finished(self._last_at)]

    def _take(self, data: bytes, offset: int) -> None:
        if self.skip is not None:
            self.skip = Skip(self.skip.count + len(data), self.skip.why)
            return
        if self._line_start is None:
            self._line_start = offset
        self._unfinished.append(data)
        self._size += len(data)
        if self._size > MAX_LINE:
            self._leave_out(0, "too_long")

    def _leave_out(self, count: int, why: Why) -> None:
        before = self.skip or Skip(self._size, why)
        self.skip = Skip(before.count + count, why)
        self._forget()

    def _finished(self, at: float) -> Line:
        line = Line(b"", at, self.skip) if self.skip else Line(b"".join(self._unfinished), at)
        self.skip = None
        self._forget()
        return line

    def _forget(self) -> None:
        self._unfinished.clear()
        self._size = 0
        self._line_start = None
