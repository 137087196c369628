"""A log file and its index, held open for reading."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

from mcp_background_job.jobdir.log.format import ENTRY, HEADER, MAGIC, STREAM_AT, Stream

#: Index entries that are read at once in a walk along the index, and in a cheap search for losses.
_BATCH = 512
_LARGE_BATCH = 32_768

_STREAMS = frozenset(stream.value for stream in Stream)


class Entry(NamedTuple):
    """One chunk of output, as the index describes it."""

    offset: int
    at: float
    length: int
    stream: Stream

    @property
    def end(self) -> int:
        """Offset behind its last byte; a loss takes no room in the log."""
        return self.offset if self.stream is Stream.LOST else self.offset + self.length


class LogFiles:
    """A log file and its index. While they are held open, they can be read even after a rename or removal.

    Attributes:
        start: offset of the first byte of the file.
        end: offset behind its last byte at the time of opening.
        has_index: whether there is a usable index.
    """

    def __init__(self, log: int, index: int | None, start: int = 0) -> None:
        """Takes descriptors; ``start`` holds if the index gives no other."""
        self._log = log
        self._index = index
        header = self._header()
        self.has_index = header is not None
        self.start = start if header is None else header[0]
        self.end = self.start + os.fstat(log).st_size

    @property
    def first(self) -> int:
        """Offset of the oldest byte that is kept now."""
        header = self._header()
        return self.start if header is None else max(self.start, header[1])

    @property
    def end_now(self) -> int:
        """Offset behind the present last byte."""
        return self.start + os.fstat(self._log).st_size

    def read(self, start: int, end: int) -> bytes:
        """Read bytes by their offsets; bytes that were dropped meanwhile read as zeros."""
        start = max(start, self.start)
        return os.pread(self._log, max(0, end - start), start - self.start)

    def entries_from(self, offset: int) -> Iterator[Entry]:
        """Yield the entries of all bytes from an offset on."""
        # The entry before is read too: if it was the last one, it may have grown.
        number, count = max(0, self._number_at(offset) - 1), self._count()
        while number < count:
            for entry in self._entries(number, min(_BATCH, count - number)):
                if not _lies_before(entry.offset, entry.length, entry.stream, offset):
                    yield entry
            number += _BATCH

    def entries_backwards(self) -> Iterator[Entry]:
        """Yield the entries of all bytes that are kept, newest first."""
        low = self._number_at(self.first)
        high = self._count()
        while high > low:
            begin = max(low, high - _BATCH)
            yield from reversed(self._entries(begin, high - begin))
            high = begin

    def losses(self, start: int, end: int) -> Iterator[Entry]:
        """Yield the losses from one offset to another, both included."""
        number, count = self._number_at(start), self._count()
        while number < count:
            data = self._raw(number, min(_LARGE_BATCH, count - number))
            streams = data[STREAM_AT :: ENTRY.size]
            at = streams.find(Stream.LOST)
            while at >= 0:
                offset, when, length, _ = ENTRY.unpack_from(data, at * ENTRY.size)
                entry = Entry(offset, when, length, Stream.LOST)
                if entry.offset > end:
                    return
                yield entry
                at = streams.find(Stream.LOST, at + 1)
            if not streams or ENTRY.unpack_from(data, (len(streams) - 1) * ENTRY.size)[0] > end:
                return
            number += len(streams)

    def offset_at(self, moment: float) -> int | None:
        """Return the offset of the first kept byte that was written at or after a moment; ``None`` if there is none."""
        low, count = self._number_at(self.first), self._count()
        number = bisect_left(range(count), x=True, lo=low, key=lambda number: self._entry(number)[1] >= moment)
        return self._entry(number)[0] if number < count else None

    def _number_at(self, offset: int) -> int:
        """Return the number of the first entry that is not wholly before an offset."""

        def is_reached(number: int) -> bool:
            begin, _, length, stream = self._entry(number)
            return not _lies_before(begin, length, stream, offset)

        return bisect_left(range(self._count()), x=True, key=is_reached)

    def _entry(self, number: int) -> tuple[int, float, int, int]:
        return ENTRY.unpack(self._raw(number, 1))

    def _entries(self, number: int, count: int) -> list[Entry]:
        return [
            Entry(offset, at, length, Stream(stream))
            for offset, at, length, stream in ENTRY.iter_unpack(self._raw(number, count))
            if stream in _STREAMS  # not dropped meanwhile, and not written by a newer release
        ]

    def _raw(self, number: int, count: int) -> bytes:
        if self._index is None:
            return b""
        data = os.pread(self._index, count * ENTRY.size, HEADER.size + number * ENTRY.size)
        return data[: len(data) - len(data) % ENTRY.size]

    def _count(self) -> int:
        return 0 if self._index is None else max(0, os.fstat(self._index).st_size - HEADER.size) // ENTRY.size

    def _header(self) -> tuple[int, int] | None:
        data = b"" if self._index is None else os.pread(self._index, HEADER.size, 0)
        if len(data) < HEADER.size:
            return None
        magic, start, kept_from = HEADER.unpack(data)
        return (start, kept_from) if magic == MAGIC else None


def _lies_before(begin: int, length: int, stream: int, offset: int) -> bool:
    """Tell whether an entry is wholly before an offset."""
    if not stream:  # dropped
        return True
    return begin < offset if stream == Stream.LOST else begin + length <= offset


def open_file(stack: ExitStack, path: str) -> int | None:
    """Open a file until the stack is closed; ``None`` if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    stack.callback(os.close, descriptor)
    return descriptor


def open_pair(stack: ExitStack, log_path: str, index_path: str, start: int = 0) -> LogFiles | None:
    """Open a log file and its index, if it has one; ``None`` if there is no log file."""
    # The log comes first: an index whose log begins at 0 then proves that this is its log. See ``segments``.
    log = open_file(stack, log_path)
    return None if log is None else LogFiles(log, open_file(stack, index_path), start)
