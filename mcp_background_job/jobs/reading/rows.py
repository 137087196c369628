"""The lines of a stretch of a log, each with its place, its time and its stream."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from mcp_background_job.core.output.gaps import Gap, Why
from mcp_background_job.core.output.rendering import render
from mcp_background_job.core.values import frozen
from mcp_background_job.executors.base import Store
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.reader import Part


class LogRow(NamedTuple):
    """One line as it is shown.

    Attributes:
        offset: in the log, of its first byte.
        text: as a terminal would show it.
        at: when its first byte was written (seconds since the epoch), ``None`` if that is not known.
        stream: on which; ``None`` for a note on bytes that are missing.
    """

    offset: int
    text: str
    at: float | None = None
    stream: Stream | None = None


@frozen
class Stretch:
    """Bytes of a log, of one stream or of both, that know where in it they stand.

    Attributes:
        data: the bytes.
        start: offset at which reading began: later than asked if retention has dropped what lay there.
        next: offset at which to go on.
        first: offset of the oldest byte that is kept.
        end: offset behind the newest byte.
    """

    data: bytes
    start: int
    next: int
    first: int
    end: int
    _gaps: tuple[Gap, ...]
    _parts: Sequence[Part]
    _positions: Sequence[int] | None  # of each part in the data, if that is of one stream alone

    def offset_of(self, position: int) -> int:
        """Return where in the log a byte of the data stands, or would stand if it is the one behind the last."""
        if self._positions is None:
            return self.start + position
        if position >= len(self.data):
            return self.next
        number = bisect_right(self._positions, position) - 1
        return self._parts[number].offset + position - self._positions[number]

    def rows(self, begin: int, end: int) -> list[LogRow]:
        """Return the lines of the bytes between two positions."""
        gaps = [
            Gap(gap.position - begin, gap.offset, gap.count, gap.why)
            for gap in self._gaps
            if begin <= gap.position < end or gap.position == end == len(self.data)
        ]
        found: list[LogRow] = []
        for row in render(self.data[begin:end], begin, gaps):
            offset = self.offset_of(row.offset)
            part = self.part_at(offset)
            at, stream = (part.at, part.stream) if part else (None, Stream.STDOUT)
            found.append(LogRow(offset, row.text, at, None if row.is_note else stream))
        return found

    def part_at(self, offset: int) -> Part | None:
        """Return what was written at once with a byte of the log, ``None`` if the index does not have it (yet)."""
        number = bisect_right(self._starts, offset) - 1
        part = self._parts[number] if number >= 0 else None
        return part if part and offset < part.offset + len(part.data) else None

    @cached_property
    def _starts(self) -> list[int]:
        return [part.offset for part in self._parts]


def stretch_of(store: Store, job_id: str, start: int, limit: int, stream: Stream | None) -> Stretch:
    """Read at most ``limit`` bytes of the log from an offset on, and of them what one stream has written, or both."""
    piece = store.read_log(job_id, start, limit)
    # The time and the stream of each byte; those of the newest may not be written yet.
    parts = store.read_parts(job_id, piece.start, len(piece.data), None).parts
    if stream is None:
        return Stretch(piece.data, piece.start, piece.next, piece.first, piece.end, piece.gaps, parts, None)
    after = max((part.offset + len(part.data) for part in parts), default=piece.start)
    chosen = [part for part in parts if part.stream is stream]
    positions: list[int] = []
    gaps = [gap for gap in piece.gaps if gap.why is Why.DROPPED]
    position = 0
    for part in chosen:
        positions.append(position)
        if part.lost:
            gaps.append(Gap(position, part.offset, part.lost, Why.LOST))
        position += len(part.data)
    data = b"".join(part.data for part in chosen)
    return Stretch(data, piece.start, after, piece.first, piece.end, tuple(gaps), chosen, positions)
