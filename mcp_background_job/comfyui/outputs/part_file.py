"""A file while it is being written: under a name that nobody takes for the file, and gone if it does not become it.

Several may download the same thing to the same place, and any of them may be killed. So each writes to a file of its
own, locked while it is written; the kernel lets go of the lock with its holder, and what nobody holds is swept. A whole
file gets its name by a hard link, which never replaces what is there.

It is not brought to the disk (fsync) before it gets its name: for a gigabyte that takes longer than the transfer. After
a power failure its content may be wrong; size and hash are on record, and the next download finds that they differ.
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

#: What file systems without hard links (FAT, some network ones) say to one.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class PartFile:
    """A new file in a directory, without a name of its own yet."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Takes a file that is open and locked; see ``create``."""
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Begin a file.

        Raises:
            OSError: it cannot be; so for all methods.
        """
        while True:
            path = directory / f".comfyui-{secrets.token_hex(8)}.part"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            _lock(descriptor, fcntl.LOCK_EX)
            # A sweep may have had the lock before us, and taken the file for abandoned: then its name is gone by now.
            if os.fstat(descriptor).st_nlink:
                return cls(path, descriptor)
            os.close(descriptor)

    def write(self, data: memoryview) -> None:
        """Append bytes."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def read_at(self, offset: int, count: int) -> bytes:
        """Return bytes that were written; fewer where the file ends."""
        return os.pread(self._descriptor, count, offset)

    def publish(self, path: Path) -> bool:
        """Give the file a name, unless something has it; returns whether it did. The file is still to be let go of."""
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
        # A rename alone would replace what is there. Whoever is killed between the two leaves an empty file.
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
        """Let go of the file: without a name it is gone."""
        # Before the lock is let go of, so that nobody sweeps what has taken the name since.
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def sweep(directory: Path) -> None:
    """Remove what was being written in a directory by processes that were killed."""
    with os.scandir(directory) as entries:
        left = [entry.path for entry in entries if _NAME.fullmatch(entry.name)]
    for path in left:
        with contextlib.suppress(OSError):  # another sweeps too, or it is somebody else's; it will be met again
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    os.unlink(path)  # noqa: PTH108  scandir has strings
            finally:
                os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool:
    """Take the lock of a file; returns whether it was taken, which somebody or the file system may prevent."""
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        return False
    return True
