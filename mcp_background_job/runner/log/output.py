"""Moves a job's output from its pipes to its log.

* If the kernel can do that (``splice``), bytes go from the pipe to the file without passing through this process.
* If bytes cannot be stored, because the disk is full or the directory is gone, they are read and counted all the same.
  So the job does not stall.
* Before bytes are written, ``retention`` makes room for them.
* If other machines read the log, it is sent to the file server before clients there are told of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time

from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.runner.log.index import MAX_LENGTH, Index
from mcp_background_job.runner.log.retention import Punch, Retention
from mcp_background_job.runner.system import punch_hole

#: The usual size of a pipe, and the size that a busy one gets, for fewer and larger moves. Only busy ones get it,
#: because the kernel limits the sum over all pipes of a user.
PIPE_SIZE = 64 * 1024
BUSY_PIPE_SIZE = 1024 * 1024

#: A pipe is busy if this many reads in a row found it full.
BUSY_READS = 8

#: Seconds. A reader without a channel sees output this late, besides the file system's own caching. More often would
#: slow down a job that writes without pause.
_SHARE_S = 1.0

_CANNOT_SPLICE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class Log:
    """The log of one job, open for writing.

    Attributes:
        end: offset behind the last byte written.
        lost: bytes that could not be stored.
    """

    def __init__(self, job: JobDir, max_bytes: int, *, is_shared: bool = False, punch: Punch = punch_hole) -> None:
        """Creates the log and its index, both empty.

        Args:
            job: the job of the log.
            max_bytes: bytes of both that are kept.
            is_shared: other machines read them.
            punch: frees a part of a file.

        Raises:
            OSError: they cannot be made; nothing of them is left.
        """
        self.end = 0
        self.lost = 0
        self._loss = 0  # bytes lost since the last stored byte
        self._can_splice = hasattr(os, "splice")
        self._is_shared = is_shared
        self._shared_end = 0
        self._share_again_at = 0.0
        self._log = os.open(job.log, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._index = Index(job.index)
        except OSError:
            os.close(self._log)
            os.unlink(job.log)
            raise
        self._retention = Retention(self._log, self._index, (job.log, job.index), max_bytes, punch)

    @property
    def dropped(self) -> int:
        """Bytes removed by retention."""
        return self._retention.kept_from

    def move(self, source: int, stream: Stream) -> int:
        """Move the content of a pipe or terminal to the log; returns the number of bytes, 0 at its end.

        Readers of one stream find the bytes after ``settle``.

        Raises:
            BlockingIOError: there are no bytes now.
        """
        room = self._retention.room(self.end)
        if self._can_splice and room:
            try:
                count = os.splice(source, self._log, room)
            except BlockingIOError:
                raise
            except OSError as error:
                self._can_splice = error.errno not in _CANNOT_SPLICE
            else:
                self._stored(stream, count)
                return count
        data = os.read(source, min(room, PIPE_SIZE) or PIPE_SIZE)
        if room:
            self._store(data, stream)
        else:
            self._lose(len(data))
        return len(data)

    def settle(self) -> None:
        """Bring the index up to date, before clients are told of more output."""
        self._index.settle()
        if self._is_shared and time.monotonic() >= self._share_again_at:
            self.share()

    def share(self) -> None:
        """Make written bytes visible to other machines that read them: to readers that open the files afterwards."""
        if not self._is_shared or self._shared_end == self.end:
            return
        with contextlib.suppress(OSError):  # no space left there: the next write counts the loss
            os.fdatasync(self._log)
            os.fdatasync(self._index.descriptor)
        self._shared_end = self.end
        self._share_again_at = time.monotonic() + _SHARE_S

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        """Return at most ``limit`` bytes from an offset or the oldest kept byte on, and where they begin."""
        start = max(offset, self.dropped)
        return start, os.pread(self._log, min(limit, self.end - start), start) if start < self.end else b""

    def close(self) -> None:
        """Bring the index up to date, and close the files."""
        self._end_loss()
        self._index.close()
        os.close(self._log)

    def _store(self, data: bytes, stream: Stream) -> None:
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._log, view)
            except OSError:  # no space, quota, I/O error: in each case the job goes on and the loss is counted
                self._lose(len(view))
                return
            self._stored(stream, written)
            view = view[written:]

    def _lose(self, count: int) -> None:
        self.lost += count
        self._loss += count

    def _end_loss(self) -> None:
        # One entry for the whole loss, made after it ended and the bytes behind it were written.
        while self._loss > 0:
            self._index.add(Stream.LOST, self.end, min(self._loss, MAX_LENGTH))
            self._loss -= MAX_LENGTH
        self._loss = 0

    def _stored(self, stream: Stream, count: int) -> None:
        # The entry comes after the bytes that it describes: a reader may see bytes without an entry, never the reverse.
        if count:
            self._end_loss()
            self._index.add(stream, self.end, count)
            self.end += count
            self._retention.written(self.end)


def enlarge_pipe(pipe: int) -> None:
    """Give a pipe more room, if the system has such a call and its limits for this user allow it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # EPERM over the user's limit, EBUSY: the pipe keeps its size and goes on
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BUSY_PIPE_SIZE)
