"""Reads a job's log while it grows and its beginning is dropped.

The cost follows the request: a range is read in place, a tail from the end, and the index by binary search. If bytes
are missing, because retention dropped them or the disk was full, the answer has a gap.

Every function here meets one race: the runner notes in the index up to where it drops, and then makes that a hole. So
each function first reads, then asks which bytes are still kept, and discards the others: they may have been a hole
already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import NamedTuple

from mcp_background_job.core.output.gaps import Gap, Why
from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.files import Entry, LogFiles, open_pair
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.segments import open_segments


@frozen
class Piece:
    """Bytes from the log.

    Attributes:
        data: the bytes; only one stream's, if one was requested.
        start: offset at which reading began: later than requested if retention has dropped the bytes before.
        next: offset at which to go on.
        first: offset of the oldest byte that is still kept.
        end: offset behind the newest byte.
        gaps: places where bytes are missing, in order. A gap at the end is in this piece only if nothing follows it, so
            a caller that reads on from ``next`` gets each gap once.
    """

    data: bytes
    start: int
    next: int
    first: int
    end: int
    gaps: tuple[Gap, ...] = ()


class Part(NamedTuple):
    """Bytes of one stream that were written at once.

    Attributes:
        offset: offset of the first of them in the log.
        at: when they were written (seconds since the epoch).
        data: the bytes.
        lost: number of bytes, of any stream, that are missing before them because they could not be stored.
        stream: their stream.
    """

    offset: int
    at: float
    data: bytes
    lost: int = 0
    stream: Stream = Stream.STDOUT


@frozen
class Parts:
    """A stretch of the log, of one stream or of both.

    Attributes:
        parts: the parts, in the order in which they were written.
        start: offset at which reading began: later than requested if retention has dropped the bytes before.
        next: offset at which to go on.
        end: offset behind the newest byte of the log.
    """

    parts: list[Part]
    start: int
    next: int
    end: int


class _Loss(NamedTuple):
    """A loss that is to become a gap of a piece."""

    offset: int
    length: int


class _Log:
    """All files of a log: one, except in release 1.0.0."""

    def __init__(self, parts: list[LogFiles]) -> None:
        self._parts = parts
        self.first = parts[0].first if parts else 0
        self.end = max(self.first, parts[-1].end) if parts else 0

    def look_again(self) -> None:
        """Look up what is still kept; of earlier reads, only those bytes are certain."""
        if self._parts:
            self.first = max(self.first, self._parts[0].first)
            self.end = max(self.first, self.end)

    def ends_at(self, offset: int) -> bool:
        """Tell whether nothing has been written behind an offset until now."""
        return bool(self._parts) and self._parts[-1].end_now == offset

    def read(self, start: int, end: int) -> bytes:
        # The newest file has grown since: the index may have entries for bytes behind the end that was seen.
        return b"".join(
            part.read(start, end)
            for part in self._parts
            if part.start < end and (part.end > start or part is self._parts[-1])
        )

    def entries_from(self, offset: int) -> Iterator[Entry]:
        for part in self._parts:
            if part.end >= offset or part is self._parts[-1]:
                yield from part.entries_from(offset)

    def entries_backwards(self) -> Iterator[Entry]:
        for part in reversed(self._parts):
            yield from part.entries_backwards()

    def losses(self, start: int, end: int) -> list[_Loss]:
        """Return the losses among the bytes from ``start`` to ``end``; those at ``end`` only if no bytes follow."""
        found = [
            _Loss(entry.offset, entry.length)
            for part in self._parts
            if part.end >= start and part.start <= end
            for entry in part.losses(start, end)
        ]
        # The runner writes the bytes behind a loss before it notes the loss: if there are still none, none will come.
        is_final = bool(found) and self.ends_at(end)
        return [loss for loss in found if loss.offset < end or is_final]

    def offset_at(self, moment: float) -> int:
        for part in self._parts:
            offset = part.offset_at(moment)
            if offset is not None:
                return offset
        return self.end


def extent(job: JobDir) -> tuple[int, int]:
    """Return the offset of the oldest kept byte and the offset behind the newest."""
    with _opened(job) as log:
        return log.first, log.end


def read(job: JobDir, offset: int, limit: int, stream: Stream | None = None) -> Piece:
    """Read at most ``limit`` bytes from an offset on; only one stream's, if one is named."""
    with _opened(job) as log:
        start = min(max(offset, log.first), log.end)
        if stream is None:
            stop = min(log.end, start + limit)
            data = log.read(start, stop)
            found: list[Part | _Loss] = _mixed(start, data, log.losses(start, stop))
            after = start + len(data)
        else:
            found, after = _of_stream(log, start, limit, stream)
        return _piece(log, found, offset, start, after)


def read_parts(job: JobDir, offset: int, limit: int, stream: Stream | None) -> Parts:
    """Read at most ``limit`` bytes from an offset on, of one stream or of both, with offset and time of each part."""
    with _opened(job) as log:
        start = after = min(max(offset, log.first), log.end)
        parts: list[Part] = []
        lost = 0
        for entry in log.entries_from(start):
            if limit <= 0:
                break
            if entry.stream is Stream.LOST:
                lost += entry.length
                continue
            begin, stop = max(entry.offset, start), entry.end
            if stream is None or entry.stream is stream:
                stop = min(stop, begin + limit)
                parts.append(Part(begin, entry.at, log.read(begin, stop), lost, entry.stream))
                lost = 0
                limit -= stop - begin
            if not lost:  # a loss goes with the next byte of the stream, however often the log is read until then
                after = max(after, stop)
        log.look_again()
        start = max(start, min(log.first, log.end))
        after = max(after, start)
        kept = [_kept(part, start) for part in parts if _end(part) > start]
        return Parts(kept, start, after, max(after, log.end))


def read_tail(job: JobDir, limit: int, stream: Stream | None = None) -> Piece:
    """Read the last ``limit`` bytes; only one stream's, if one is named. Bytes that were dropped before are a gap."""
    with _opened(job) as log:
        if stream is None:
            start, after = max(log.first, log.end - limit), log.end
            found: list[Part | _Loss] = _mixed(start, log.read(start, after), log.losses(start, after))
        else:
            found, start, after = _tail_of_stream(log, limit, stream)
        is_all = start <= log.first
        return _piece(log, found, 0 if is_all else start, start, after)


def offset_at(job: JobDir, moment: float) -> int:
    """Return the offset of the first byte written at or after a moment (seconds since the epoch)."""
    with _opened(job) as log:
        return log.offset_at(moment)


def written_at(job: JobDir, offset: int) -> float | None:
    """Return when a byte was written (seconds since the epoch); ``None`` if the index does not have it (any more)."""
    with _opened(job) as log:
        entry = next((entry for entry in log.entries_from(offset) if entry.stream is not Stream.LOST), None)
        return entry.at if entry is not None and entry.offset <= offset else None


def entries(job: JobDir, start: int) -> list[Entry]:
    """Return the index entries of all bytes from an offset on: their times and streams, and the losses."""
    with _opened(job) as log:
        return list(log.entries_from(max(start, log.first)))


def missing(job: JobDir, start: int, end: int) -> list[Gap]:
    """Return the gaps between two offsets, without reading the bytes."""
    with _opened(job) as log:
        losses = [Gap(0, loss.offset, loss.length, Why.LOST) for loss in log.losses(max(start, log.first), end)]
        dropped = min(log.first, end) - start
        return [Gap(0, start, dropped, Why.DROPPED), *losses] if dropped > 0 else losses


def _mixed(start: int, data: bytes, losses: list[_Loss]) -> list[Part | _Loss]:
    """Return bytes of both streams, cut at each loss."""
    found: list[Part | _Loss] = []
    begin = 0
    for loss in losses:
        found += [Part(start + begin, 0.0, data[begin : loss.offset - start]), loss]
        begin = loss.offset - start
    return [*found, Part(start + begin, 0.0, data[begin:] if begin else data)]


def _of_stream(log: _Log, start: int, limit: int, stream: Stream) -> tuple[list[Part | _Loss], int]:
    found: list[Part | _Loss] = []
    losses: list[_Loss] = []  # held back until something follows them
    after = start
    for entry in log.entries_from(start):
        if limit <= 0:
            break
        if entry.stream is Stream.LOST:
            losses.append(_Loss(entry.offset, entry.length))
            continue
        begin, stop = max(entry.offset, start), entry.end
        found += losses
        losses = []
        if entry.stream is stream:
            stop = min(stop, begin + limit)
            found.append(Part(begin, entry.at, log.read(begin, stop)))
            limit -= stop - begin
        after = max(after, stop)
    return [*found, *losses] if losses and log.ends_at(after) else found, after


def _tail_of_stream(log: _Log, limit: int, stream: Stream) -> tuple[list[Part | _Loss], int, int]:
    found: list[Part | _Loss] = []
    start, after = log.end, None
    for entry in log.entries_backwards():
        if limit <= 0:
            break
        if after is None:
            after = entry.end  # behind the last entry there may be bytes whose entry is yet to come
        if entry.stream is Stream.LOST:
            found.append(_Loss(entry.offset, entry.length))
        elif entry.stream is stream:
            start = max(entry.offset, entry.end - limit)
            found.append(Part(start, entry.at, log.read(start, entry.end)))
            limit -= entry.end - start
    return found[::-1], start if limit <= 0 else log.first, log.first if after is None else after


def _piece(log: _Log, found: list[Part | _Loss], asked: int, start: int, after: int) -> Piece:
    """Put together a piece of the bytes that were certainly read before they were dropped."""
    log.look_again()
    if start < log.first:
        start = log.first
        found = [_kept(each, start) if isinstance(each, Part) else each for each in found if _end(each) > start]
    gaps = [Gap(0, asked, start - asked, Why.DROPPED)] if start > asked else []
    data: list[bytes] = []
    position = 0
    for each in found:
        if isinstance(each, Part):
            data.append(each.data)
            position += len(each.data)
        else:
            gaps.append(Gap(position, each.offset, each.length, Why.LOST))
    after = max(start, after)
    return Piece(b"".join(data), start, after, log.first, max(log.end, after), tuple(gaps))


def _end(found: Part | _Loss) -> int:
    return found.offset + len(found.data) if isinstance(found, Part) else found.offset + 1


def _kept(part: Part, first: int) -> Part:
    return part if part.offset >= first else part._replace(offset=first, data=part.data[first - part.offset :])


@contextlib.contextmanager
def _opened(job: JobDir) -> Generator[_Log]:
    """Hold all files of a log open; an empty log if the job no longer exists."""
    with contextlib.ExitStack() as stack:
        only = open_pair(stack, job.log, job.index)
        # Release 1.0.0 rotates in this order: index away, log away, new log, new index. This opens the log first. So if
        # the index that it opened begins at 0, the log belongs to that index, and nothing is before it.
        is_whole = only is not None and only.has_index and only.start == 0
        yield _Log([only] if only and is_whole else open_segments(stack, job))
