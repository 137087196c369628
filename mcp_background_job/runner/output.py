"""Moves a job's output from its pipes to its log, and keeps the log within bounds.

* Bytes go from the pipe to the file without passing through this process where the kernel can do that (``splice``).
* What cannot be stored, because the disk is full or the directory is gone, is read all the same, so that the job does
  not stall, and counted.
* The log is cut into segments; the oldest is dropped when the job's share of disk is used up.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time

from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import write_all
from mcp_background_job.jobdir.segments import ENTRY, HEADER, MAGIC, SEGMENTS, Stream, rotated_name

#: Size of a pipe when nothing was said, and the size that a busy one is given: fewer, larger moves.
#: Only busy ones, because the kernel limits the sum over all pipes of a user.
PIPE_SIZE = 64 * 1024
BUSY_PIPE_SIZE = 1024 * 1024

#: So many reads in a row that found a full pipe make it a busy one.
BUSY_READS = 8

_MAX_ENTRY = 0xFFFF_FFFF
_CANNOT_SPLICE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class Log:
    """The log of one job, open for writing.

    Attributes:
        end: offset behind the last byte written.
        dropped: bytes removed by retention.
        lost: bytes that could not be stored.
    """

    def __init__(self, job: JobDir, max_bytes: int) -> None:
        """Creates the log and its index, with nothing in them."""
        self.end = 0
        self.dropped = 0
        self.lost = 0
        self._job = job
        self._segment_size = max(max_bytes // SEGMENTS, ENTRY.size)
        self._start = 0
        self._full: list[tuple[int, int]] = []  # start and length of each full segment, oldest first
        self._unindexed = bytearray()
        self._loss = 0  # bytes lost since the last byte that was stored
        self._can_splice = hasattr(os, "splice")
        self._log = self._index = -1
        self._open()

    def move(self, source: int, stream: Stream) -> int:
        """Move what a pipe or terminal holds to the log; returns the number of bytes, 0 at its end.

        Raises:
            BlockingIOError: there is nothing now.
        """
        room = self._room()
        if self._can_splice:
            try:
                count = os.splice(source, self._log, min(room, BUSY_PIPE_SIZE))
            except BlockingIOError:
                raise
            except OSError as error:
                self._can_splice = error.errno not in _CANNOT_SPLICE
            else:
                self._entry(stream, count)
                return count
        data = os.read(source, min(room, PIPE_SIZE))
        self._store(data, stream)
        return len(data)

    def close(self) -> None:
        """Write what of the index is still in memory, and let go of the files."""
        self._end_loss()
        self._flush_index()
        os.close(self._log)
        os.close(self._index)

    def _room(self) -> int:
        used = self.end - self._start + self._index_size + len(self._unindexed)
        if used >= self._segment_size:
            self._rotate()
            return self._segment_size
        return self._segment_size - used

    def _store(self, data: bytes, stream: Stream) -> None:
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._log, view)
            except OSError:  # no space, quota, I/O error: in each case the job goes on and the loss is counted
                self._lose(len(view))
                return
            self._entry(stream, written)
            view = view[written:]

    def _lose(self, count: int) -> None:
        self.lost += count
        self._loss += count

    def _end_loss(self) -> None:
        # One entry for the whole loss, written when it is over.
        while self._loss > 0:
            self._add_entry(Stream.LOST, min(self._loss, _MAX_ENTRY))
            self._loss -= _MAX_ENTRY
        self._loss = 0

    def _entry(self, stream: Stream, count: int) -> None:
        if count:
            self._end_loss()
            self._add_entry(stream, count)
            self.end += count

    def _add_entry(self, stream: Stream, count: int) -> None:
        # After the bytes that it describes: a reader in between sees bytes without an entry, never the reverse.
        self._unindexed += ENTRY.pack(self.end, time.time(), count, stream)
        self._flush_index()

    def _flush_index(self) -> None:
        try:
            written = os.write(self._index, self._unindexed)
        except OSError:  # as for the log itself; entries wait in memory, where a loss is one entry
            return
        self._index_size += written
        del self._unindexed[:written]

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        log = os.open(self._job.log, flags, 0o600)
        try:
            index = os.open(self._job.index, flags, 0o600)
            try:
                write_all(index, HEADER.pack(MAGIC, self.end))
            except OSError:
                os.close(index)
                os.unlink(self._job.index)
                raise
        except OSError:
            os.close(log)
            os.unlink(self._job.log)
            raise
        self._log, self._index, self._index_size, self._start = log, index, HEADER.size, self.end

    def _rotate(self) -> None:
        old_log, old_index = self._log, self._index
        start, length = self._start, self.end - self._start
        moved: list[str] = []
        self._flush_index()
        try:
            # The index first: a reader that meets a full segment always finds the index under the same number.
            for path in (self._job.index, self._job.log):
                os.rename(path, rotated_name(path, start))
                moved.append(path)
            self._open()
        except OSError:  # no room for two more files, or the directory is gone
            for path in moved:
                with contextlib.suppress(OSError):
                    os.rename(rotated_name(path, start), path)
            if self._full:  # what is kept is always the newest part; and dropping the oldest makes room
                self._drop_oldest()
                self._rotate()
                return
            self._begin_again(length)
            return
        os.close(old_log)
        os.close(old_index)
        self._full.append((start, length))
        while len(self._full) > SEGMENTS - 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        start, length = self._full.pop(0)
        for path in (self._job.log, self._job.index):
            with contextlib.suppress(FileNotFoundError):  # somebody tidied up; gone is gone
                os.unlink(rotated_name(path, start))
        self.dropped += length

    def _begin_again(self, length: int) -> None:
        """Start the newest segment anew in the files that are open, so that they do not grow without end."""
        for descriptor in (self._log, self._index):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(self._index, HEADER.pack(MAGIC, self.end))
        self._index_size = HEADER.size
        self.dropped += length
        self._start = self.end


def enlarge_pipe(pipe: int) -> None:
    """Give a pipe more room, as far as the system has such a call and its limits for this user allow."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # EPERM over the user's limit, EBUSY: the pipe keeps its size and goes on
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BUSY_PIPE_SIZE)
