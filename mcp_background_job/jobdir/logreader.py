"""Reads a job's log while it is being written, rotated and dropped.

Reading costs what is asked: a range is read from where it lies, a tail from the end, and the index is searched by
halves.
"""

from __future__ import annotations

import contextlib
import os
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.segments import ENTRY, HEADER, MAGIC, Segment, Stream, rotated_segments

#: A rotation lies between two looks at the directory this often at most before the last look is taken as it is.
_ATTEMPTS = 100

#: Index entries read at once when walking along the index.
_BATCH = 512


class Entry(NamedTuple):
    """One chunk of output as the index has it."""

    offset: int
    at: float
    length: int
    stream: Stream

    @property
    def end(self) -> int:
        """Offset behind its last byte; a loss takes no room in the log."""
        return self.offset if self.stream is Stream.LOST else self.offset + self.length


@dataclass(frozen=True)
class Piece:
    """Bytes from the log.

    Attributes:
        data: the bytes; of one stream only, if one was asked for.
        start: offset at which reading began: later than asked if retention has dropped what lay there.
        next: offset at which to go on.
        first: offset of the oldest byte that is still kept.
        end: offset behind the newest byte.
    """

    data: bytes
    start: int
    next: int
    first: int
    end: int


class Part(NamedTuple):
    """Bytes of one stream that were written at once.

    Attributes:
        offset: of the first of them in the log.
        at: when they were written (seconds since the epoch).
        data: the bytes.
        lost: bytes, of whichever stream, that should stand before them and could not be stored.
    """

    offset: int
    at: float
    data: bytes
    lost: int = 0


@dataclass(frozen=True)
class Parts:
    """What a stretch of the log holds of one stream.

    Attributes:
        parts: in the order in which they were written.
        start: offset at which reading began: later than asked if retention has dropped what lay there.
        next: offset at which to go on.
        end: offset behind the newest byte of the log.
    """

    parts: list[Part]
    start: int
    next: int
    end: int


@dataclass
class _Open:
    """A segment held open, so that it can be read even when it is renamed or dropped meanwhile."""

    log: int
    index: int | None
    start: int
    end: int

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self.log, max(0, end - start), start - self.start)

    def entry_count(self) -> int:
        if self.index is None:
            return 0
        return max(0, os.fstat(self.index).st_size - HEADER.size) // ENTRY.size

    def raw_entry(self, number: int) -> tuple[int, float, int, int]:
        """Return offset, time, length and stream of one entry that is there, of whatever release."""
        descriptor = -1 if self.index is None else self.index
        return ENTRY.unpack(os.pread(descriptor, ENTRY.size, HEADER.size + number * ENTRY.size))

    def ends_by(self, number: int, offset: int) -> bool:
        """Tell whether an entry lies before an offset; a loss lies at one point."""
        begin, _, length, stream = self.raw_entry(number)
        return begin < offset if stream == Stream.LOST else begin + length <= offset

    def entries(self, first: int, count: int) -> list[Entry]:
        if self.index is None or count <= 0:
            return []
        data = os.pread(self.index, count * ENTRY.size, HEADER.size + first * ENTRY.size)
        whole = len(data) - len(data) % ENTRY.size
        return [
            Entry(offset, at, length, Stream(stream))
            for offset, at, length, stream in ENTRY.iter_unpack(data[:whole])
            if stream in _STREAMS  # written by a newer release
        ]


_STREAMS = frozenset(stream.value for stream in Stream)


@dataclass
class _Log:
    segments: list[_Open] = field(default_factory=list[_Open])

    @property
    def first(self) -> int:
        return self.segments[0].start if self.segments else 0

    @property
    def end(self) -> int:
        return self.segments[-1].end if self.segments else 0


def extent(job: JobDir) -> tuple[int, int]:
    """Return the offset of the oldest byte kept and the offset behind the newest."""
    with _opened(job) as log:
        return log.first, log.end


def read(job: JobDir, offset: int, limit: int, stream: Stream | None = None) -> Piece:
    """Read at most ``limit`` bytes from an offset on; the bytes of one stream only if one is named."""
    with _opened(job) as log:
        start = min(max(offset, log.first), log.end)
        if stream is None:
            stop = min(log.end, start + limit)
            data = b"".join(part.read(max(start, part.start), min(stop, part.end)) for part in log.segments)
            return Piece(data, start, start + len(data), log.first, log.end)
        parts: list[bytes] = []
        after = start
        for segment, entry in _entries_from(log, start):
            if limit <= 0:
                break
            begin = max(entry.offset, start)
            stop = entry.end
            if entry.stream is stream:
                stop = min(stop, begin + limit)
                parts.append(segment.read(begin, stop))
                limit -= stop - begin
            after = max(after, stop)
        return Piece(b"".join(parts), start, after, log.first, log.end)


def read_parts(job: JobDir, offset: int, limit: int, stream: Stream) -> Parts:
    """Read at most ``limit`` bytes of one stream from an offset on, with where and when each was written."""
    with _opened(job) as log:
        start = after = min(max(offset, log.first), log.end)
        parts: list[Part] = []
        lost = 0
        for segment, entry in _entries_from(log, start):
            if limit <= 0:
                break
            if entry.stream is Stream.LOST:
                lost += entry.length
                continue
            begin, stop = max(entry.offset, start), entry.end
            if entry.stream is stream:
                stop = min(stop, begin + limit)
                parts.append(Part(begin, entry.at, segment.read(begin, stop), lost))
                lost = 0
                limit -= stop - begin
            if not lost:  # a loss is told with the next byte of the stream, however often the log is read until then
                after = max(after, stop)
        return Parts(parts, start, after, log.end)


def read_tail(job: JobDir, limit: int, stream: Stream | None = None) -> Piece:
    """Read the last ``limit`` bytes; those of one stream only if one is named."""
    with _opened(job) as log:
        if stream is None:
            start = max(log.first, log.end - limit)
            data = b"".join(part.read(max(start, part.start), part.end) for part in log.segments)
            return Piece(data, start, start + len(data), log.first, log.end)
        parts: list[bytes] = []
        start = log.end
        for segment, entry in _entries_backwards(log):
            if limit <= 0:
                break
            if entry.stream is stream:
                start = max(entry.offset, entry.end - limit)
                parts.append(segment.read(start, entry.end))
                limit -= entry.end - start
        # Behind the last entry there may be bytes whose entry is yet to come.
        after = next((entry.end for _, entry in _entries_backwards(log)), log.first)
        return Piece(b"".join(reversed(parts)), start if limit <= 0 else log.first, after, log.first, log.end)


def offset_at(job: JobDir, moment: float) -> int:
    """Return the offset of the first byte written at or after a moment (seconds since the epoch)."""
    with _opened(job) as log:
        for segment in log.segments:
            number = _first_entry(segment, lambda number, of=segment: of.raw_entry(number)[1] >= moment)
            if number < segment.entry_count():
                return segment.raw_entry(number)[0]
        return log.end


def entries(job: JobDir, start: int) -> list[Entry]:
    """Return the index entries of everything from an offset on: when it was written, on which stream, what was lost."""
    with _opened(job) as log:
        return [entry for _, entry in _entries_from(log, start)]


def _first_entry(segment: _Open, holds: Callable[[int], bool]) -> int:
    """Return the number of the first entry from which on this holds, their count if there is none."""
    return bisect_left(range(segment.entry_count()), x=True, key=holds)


def _entries_from(log: _Log, start: int) -> Iterator[tuple[_Open, Entry]]:
    for segment in log.segments:
        if segment.end < start:
            continue
        number = _first_entry(segment, lambda number, of=segment: not of.ends_by(number, start))
        count = segment.entry_count()
        while number < count:
            for entry in segment.entries(number, _BATCH):
                yield segment, entry
            number += _BATCH


def _entries_backwards(log: _Log) -> Iterator[tuple[_Open, Entry]]:
    for segment in reversed(log.segments):
        high = segment.entry_count()
        while high > 0:
            low = max(0, high - _BATCH)
            for entry in reversed(segment.entries(low, high - low)):
                yield segment, entry
            high = low


@contextlib.contextmanager
def _opened(job: JobDir) -> Generator[_Log]:
    """Hold all segments open; a set that belongs together, although the runner may rotate while we open them."""
    with contextlib.ExitStack() as stack:
        for attempt in range(_ATTEMPTS):
            stack.close()
            try:
                before = rotated_segments(job)
            except (FileNotFoundError, NotADirectoryError):
                break  # no such job any more: an empty log
            log = _Log([_open(stack, segment) for segment in before if os.path.exists(segment.log)])
            newest = _open_newest(stack, job, log.end)
            if newest:
                log.segments.append(newest)
            # If the listing is the same afterwards, ``output.log`` was not renamed in between: its start is right.
            try:
                is_quiet = rotated_segments(job) == before
            except (FileNotFoundError, NotADirectoryError):
                break
            if is_quiet and (newest or not before):
                yield log
                return
            if attempt == _ATTEMPTS - 1:  # of a log that turns over so quickly, what was full when we looked is certain
                yield _Log([part for part in log.segments if part is not newest])
                return
        yield _Log()


def _open(stack: contextlib.ExitStack, segment: Segment) -> _Open:
    log = _open_file(stack, segment.log)
    index = _open_file(stack, segment.index)
    if log is None:
        log = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, log)
        return _Open(log, None, segment.start, segment.start)
    return _Open(log, index, segment.start, segment.start + os.fstat(log).st_size)


def _open_newest(stack: contextlib.ExitStack, job: JobDir, end_before: int) -> _Open | None:
    log = _open_file(stack, job.log)
    if log is None:
        return None
    index = _open_file(stack, job.index)
    start = end_before
    if index is not None:
        header = os.pread(index, HEADER.size, 0)
        if len(header) == HEADER.size:
            magic, offset = HEADER.unpack(header)
            start = offset if magic == MAGIC else start
    return _Open(log, index, start, start + os.fstat(log).st_size)


def _open_file(stack: contextlib.ExitStack, path: str) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor
