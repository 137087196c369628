"""The index of a log that is being written: when each chunk came, and on which stream."""

from __future__ import annotations

import os
import time

from mcp_background_job.jobdir.log.format import ENTRY, HEADER, KEPT_FROM, KEPT_FROM_AT, MAGIC, Stream
from mcp_background_job.jobdir.records import write_all

#: An entry grows by what comes on the same stream within this time of its first byte: a job that writes byte by byte
#: does not fill the disk with entries, and times are right to the millisecond, which is how they are shown.
_GROWS_FOR_S = 0.001

#: An entry has no room for a larger length.
MAX_LENGTH = 0xFFFF_FFFF


class Index:
    """The index of one log. Entries are gathered; ``settle`` writes them."""

    def __init__(self, path: str) -> None:
        """Creates it, with a header only.

        Raises:
            OSError: it cannot be made; nothing of it is left.
        """
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write_all(self.descriptor, HEADER.pack(MAGIC, 0, 0))
        except OSError:
            os.close(self.descriptor)
            os.unlink(path)
            raise
        self._position = HEADER.size  # where in the file the gathered entries begin
        self._entries = bytearray()
        self._last: tuple[Stream, int, float, int] | None = None  # what may grow: stream, offset, time, length
        self._is_settled = True

    @property
    def end(self) -> int:
        """Where in the file the next entry will stand."""
        return self._position + len(self._entries)

    def add(self, stream: Stream, offset: int, length: int) -> None:
        """Take note of a chunk."""
        now = time.time()
        self._is_settled = False
        if self._last is not None and stream is not Stream.LOST:
            of, begin, at, so_far = self._last
            if of is stream and 0 <= now - at < _GROWS_FOR_S and so_far + length <= MAX_LENGTH:
                self._last = (stream, begin, at, so_far + length)
                ENTRY.pack_into(self._entries, len(self._entries) - ENTRY.size, begin, at, so_far + length, stream)
                return
        self._entries += ENTRY.pack(offset, now, length, stream)
        self._last = (stream, offset, now, length) if stream is not Stream.LOST else None

    def close_entry(self) -> None:
        """Let the last entry grow no more."""
        self._last = None

    def settle(self) -> None:
        """Write what was gathered. What cannot be written now, on a full disk, is kept for the next time."""
        if self._is_settled:
            return
        try:
            written = os.pwrite(self.descriptor, self._entries, self._position)
        except OSError:
            return
        self._is_settled = written == len(self._entries)
        # The last entry stays here, since it may grow: then it is written again in its place. Only its length differs,
        # and that lies within one word of memory, so that a reader sees either the old or the new one.
        done = len(self._entries) - ENTRY.size if self._is_settled else written - written % ENTRY.size
        del self._entries[:done]
        self._position += done

    def say_kept_from(self, offset: int) -> None:
        """Say that nothing before an offset is kept.

        Raises:
            OSError: it cannot be written: then nothing may be dropped.
        """
        write_all_at(self.descriptor, KEPT_FROM.pack(offset), KEPT_FROM_AT)

    def close(self) -> None:
        """Write what is left, and let go of the file."""
        self.settle()
        os.close(self.descriptor)


def write_all_at(descriptor: int, data: bytes, position: int) -> None:
    """Write all of some bytes at a position.

    Raises:
        OSError: there is no room, or another reason.
    """
    while data:
        written = os.pwrite(descriptor, data, position)
        data, position = data[written:], position + written
