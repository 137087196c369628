"""The index of a log that is being written: the time and stream of each chunk."""

from __future__ import annotations

import os
import time

from mcp_background_job.jobdir.log.format import ENTRY, HEADER, KEPT_FROM, KEPT_FROM_AT, MAGIC, Stream
from mcp_background_job.jobdir.records import write_all

#: An entry grows by bytes that come on the same stream within this time of its first byte. So a job that writes byte by
#: byte does not fill the disk with entries, and times are right to the millisecond, which is how they are shown.
_GROWS_FOR_S = 0.001

#: An entry has no room for a larger length.
MAX_LENGTH = 0xFFFF_FFFF


class Index:
    """The index of one log. It gathers entries; ``settle`` writes them."""

    def __init__(self, path: str) -> None:
        """Creates the index, with a header only.

        Raises:
            OSError: the index cannot be made; nothing of it is left.
        """
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write_all(self.descriptor, HEADER.pack(MAGIC, 0, 0))
        except OSError:
            os.close(self.descriptor)
            os.unlink(path)
            raise
        self._position = HEADER.size  # position in the file at which the gathered entries begin
        self._entries = bytearray()
        self._last: tuple[Stream, int, float, int] | None = None  # it may grow: stream, offset, time, length
        self._is_settled = True

    @property
    def end(self) -> int:
        """Position in the file of the next entry."""
        return self._position + len(self._entries)

    def add(self, stream: Stream, offset: int, length: int) -> None:
        """Note a chunk."""
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
        """Close the last entry: it no longer grows."""
        self._last = None

    def settle(self) -> None:
        """Write the gathered entries. Those that a full disk does not take are kept for the next time."""
        if self._is_settled:
            return
        try:
            written = os.pwrite(self.descriptor, self._entries, self._position)
        except OSError:
            return
        self._is_settled = written == len(self._entries)
        # The last entry stays here, since it may grow and is then written again in its place. Only its length differs,
        # which is within one word of memory, so a reader sees either the old or the new length.
        done = len(self._entries) - ENTRY.size if self._is_settled else written - written % ENTRY.size
        del self._entries[:done]
        self._position += done

    def say_kept_from(self, offset: int) -> None:
        """Note that no byte before an offset is kept.

        Raises:
            OSError: the note cannot be written: then nothing may be dropped.
        """
        write_all_at(self.descriptor, KEPT_FROM.pack(offset), KEPT_FROM_AT)

    def close(self) -> None:
        """Write the remaining entries, and close the file."""
        self.settle()
        os.close(self.descriptor)


def write_all_at(descriptor: int, data: bytes, position: int) -> None:
    """Write all bytes at a position.

    Raises:
        OSError: there is no room, or the write failed otherwise.
    """
    while data:
        written = os.pwrite(descriptor, data, position)
        data, position = data[written:], position + written
