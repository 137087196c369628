"""The lock that means "alive".

It is a POSIX record lock, for three reasons. The kernel releases it when its holder dies, however it dies. Children of
the holder do not inherit it, so a job's process cannot pass for its runner. Any process can ask who holds it without
taking it (``F_GETLK``). So a reader never disturbs a starting runner, and learns the holder's pid from the kernel, not
from a file that may be forged.

A process loses such locks if it closes *any* descriptor of the file. So the holder opens the file once and keeps it,
and a question about a lock of this process is answered from memory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import sys
from collections.abc import Generator

from mcp_background_job.core.values import frozen

# struct flock: https://man7.org/linux/man-pages/man2/fcntl.2.html and <sys/fcntl.h> of macOS
_DARWIN = sys.platform == "darwin"
_FLOCK = struct.Struct("@qqihh" if _DARWIN else "@hhqqi4x")


#: The descriptors of the locks that a process has taken by ``try_acquire``, by its pid (a forked process holds none of
#: them) and by device and inode of the file.
_mine: dict[tuple[int, int, int], int] = {}


@frozen
class Holder:
    """The holder of a lock. ``pid`` is ``None`` if the holder lives in another pid namespace."""

    pid: int | None


def holder_of(path: str) -> Holder | None:
    """Return the holder of the lock; ``None`` if there is none, or no such file."""
    try:
        if _mine and _identity(os.stat(path)) in _mine:
            return Holder(os.getpid())
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # read only: the disk may take no writes
    except FileNotFoundError:
        return None
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, _pack(fcntl.F_WRLCK))
    finally:
        os.close(descriptor)
    kind, pid = _unpack(answer)
    if kind == fcntl.F_UNLCK:
        return None
    return Holder(pid if pid > 0 else None)


def try_acquire(path: str) -> int | None:
    """Take the lock and return the descriptor that keeps it; ``None`` if another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return None
        raise
    _mine[_identity(os.fstat(descriptor))] = descriptor
    return descriptor


def release_mine() -> None:
    """Release all locks that this process has taken by ``try_acquire``."""
    for identity in [identity for identity in _mine if identity[0] == os.getpid()]:
        os.close(_mine.pop(identity))


def _identity(facts: os.stat_result) -> tuple[int, int, int]:
    return os.getpid(), facts.st_dev, facts.st_ino


def try_byte(path: str, byte: int) -> int | None:
    """Lock one byte of a file, as ``acquire`` locks the whole; ``None`` if another holds the byte or the whole."""
    return _opened(path, _pack(fcntl.F_WRLCK, byte, 1))


@contextlib.contextmanager
def held(path: str) -> Generator[bool]:
    """Hold a lock for a few file operations, if it is free; yields whether it was taken.

    If the system has such locks (Linux), the lock is on an open file description: two threads of one process then
    exclude each other as two processes do.
    """
    descriptor = acquire(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def acquire(path: str) -> int | None:
    """Take such a lock, which is released when the descriptor is closed; ``None`` if another holds it.

    A caller that wants to wait for it tries again: the kernel has no wait with a time limit, and a waiting thread could
    do no other work.
    """
    return _opened(path, _pack(fcntl.F_WRLCK))


def _opened(path: str, wish: bytes) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        got = _try(descriptor, wish)
    except BaseException:
        os.close(descriptor)
        raise
    if not got:
        os.close(descriptor)
        return None
    return descriptor


def _try(descriptor: int, wish: bytes) -> bool:
    try:
        fcntl.fcntl(descriptor, getattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK), wish)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        return False
    return True


def _pack(kind: int, start: int = 0, length: int = 0) -> bytes:
    # length 0: to the end of the file, however long it is; whence 0: from its start
    return _FLOCK.pack(start, length, 0, kind, 0) if _DARWIN else _FLOCK.pack(kind, 0, start, length, 0)


def _unpack(answer: bytes) -> tuple[int, int]:
    if _DARWIN:
        _, _, pid, kind, _ = _FLOCK.unpack(answer)
    else:
        kind, _, _, _, pid = _FLOCK.unpack(answer)
    return kind, pid
