"""The exit record, written so that a full disk cannot prevent it.

Its room on disk is reserved when the job starts. At the end the bytes are written into that room, and the file is
renamed.
"""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.errors import StateDirError
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.modes import restore
from mcp_background_job.jobdir.records import Exit, clear_the_way, encode, write, write_all

#: Bytes reserved. The record takes about a quarter of them, and its reason is cut to keep it so.
RESERVE = 24 * 1024
MAX_REASON = 1000


class ExitRecord:
    """The place for one job's exit record."""

    def __init__(self, job: JobDir, *, is_shared: bool = False) -> None:
        """Reserves the room; ``is_shared``: other machines read the record.

        Raises:
            OSError: there is no room.
        """
        self._job = job
        self._is_shared = is_shared
        self._reserve = f"{job.exit}.new"
        self._descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._descriptor, 0, RESERVE)
            else:
                write_all(self._descriptor, bytes(RESERVE))
        except OSError:
            self.give_back()
            raise

    def publish(self, record: Exit) -> bool:
        """Make the record visible; returns whether that worked: it fails if the directory is gone."""
        data = encode(record)
        try:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            write_all(self._descriptor, data)  # a write that does not fit is short, and the next one raises
            os.ftruncate(self._descriptor, len(data))
            if self._is_shared:
                os.fsync(self._descriptor)  # or another machine finds the name first, with zeros in the file
            os.rename(self._reserve, self._job.exit)
        except OSError:
            return self._publish_without_reserve(data)
        return True

    def _publish_without_reserve(self, data: bytes) -> bool:
        """Publish although the reserved room was removed, perhaps by the job, or another file is in the way."""
        try:
            restore(self._job)
            clear_the_way(self._job.exit)
            write(self._job.exit, data)
        except (OSError, StateDirError):
            return False
        return True

    def make_durable(self) -> None:
        """Bring the published record to the disk.

        This comes after publishing: with gigabytes of output on their way to the disk it can take seconds, and nobody
        who waits for the job should wait for that. After a power failure in between, the job is reported as lost.
        """
        with contextlib.suppress(OSError):
            os.fsync(self._descriptor)
            directory = os.open(self._job.path, os.O_RDONLY | os.O_CLOEXEC)
            os.fsync(directory)
            os.close(directory)

    def give_back(self) -> None:
        """Free the room of a job that was never started."""
        os.close(self._descriptor)
        with contextlib.suppress(OSError):
            os.unlink(self._reserve)
