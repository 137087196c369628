"""A file while it is being written: its temporary name is never taken for the file, and it vanishes if it fails.

Several processes may download the same file to the same place, and any of them may be killed. So each writes to its own
file, which it locks meanwhile. The kernel releases the lock when its holder dies, and unlocked files are swept. A whole
file gets its name by a hard link, which never replaces an existing file.

It is not synced to the disk (fsync) before it gets its name: for a gigabyte, that takes longer than the transfer. After
a power failure its content may be wrong. Size and hash are on record, and the next download finds that they differ.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
from pathlib import Path
from typing import Self

_NAME = re.compile(r"\.comfyui-[0-9a-f]{16}\.part")

#: The errors of file systems without hard links (FAT, some network ones).
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class PartFile:
    """A new file in a directory, without its final name yet."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Takes an open and locked file; see ``create``."""
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Begin a file.

        Raises:
            OSError: it cannot be begun; all methods may raise this.
        """
        while True:
            path = directory / f".comfyui-{secrets.token_hex(8)}.part"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            _lock(descriptor, fcntl.LOCK_EX)
            # A sweep may have locked the file before us, and taken it for abandoned: then its name is gone by now.
            if os.fstat(descriptor).st_nlink:
                return cls(path, descriptor)
            os.close(descriptor)

    def write(self, data: memoryview) -> None:
        """Append bytes."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def read_at(self, offset: int, count: int) -> bytes:
        """Return bytes that were written; fewer at the end of the file."""
        return os.pread(self._descriptor, count, offset)

    def publish(self, path: Path) -> bool:
        """Give the file a name, unless the name is taken; returns whether it did. Call ``discard`` afterwards."""
        try:
            os.link(self._path, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._rename(path)
        return True

    def _rename(self, path: Path) -> bool:
        # A rename alone would replace an existing file. A process killed between the two steps leaves an empty file.
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except FileExistsError:
            return False
        try:
            self._path.rename(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return True

    def discard(self) -> None:
        """Close the file; without its final name, it is gone."""
        # Before the lock is released, so that no sweep removes a file that has taken the name since.
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def sweep(directory: Path) -> None:
    """Remove the unfinished files of killed processes in a directory."""
    with os.scandir(directory) as entries:
        left = [entry.path for entry in entries if _NAME.fullmatch(entry.name)]
    for path in left:
        with contextlib.suppress(OSError):  # another process sweeps too, or the file is somebody else's
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    os.unlink(path)  # noqa: PTH108  scandir has strings
            finally:
                os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool:
    """Take the lock of a file; returns whether it was taken: another process or the file system may prevent it."""
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        return False
    return True
