"""The lock that means "alive".

A POSIX record lock, for three reasons: the kernel lets go of it when its holder dies, however it dies; children of the
holder do not inherit it, so a job's process can never pass for its runner; and anybody can ask who holds it without
taking it (``F_GETLK``), so that a reader never gets into a starting runner's way and learns the holder's pid from the
kernel instead of from a file that somebody may have forged.

The trap of these locks: a process loses them when it closes *any* descriptor of the file. So the holder opens the file
once and keeps it. Who asks about a lock of this process is answered from memory, for that reason.
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


#: The descriptors that keep the locks that a process has taken by ``try_acquire``, by its pid (a fork holds none of
#: them) and device and inode of the file.
_mine: dict[tuple[int, int, int], int] = {}


@frozen
class Holder:
    """Who holds a lock. ``pid`` is ``None`` when the holder lives in another pid namespace."""

    pid: int | None


def holder_of(path: str) -> Holder | None:
    """Return who holds the lock; ``None`` if nobody does, or there is no such file."""
    try:
        if _mine and _identity(os.stat(path)) in _mine:
            return Holder(os.getpid())
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # asking is no writing: the disk may take none
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
    """Let go of all that this process has taken by ``try_acquire``."""
    for identity in [identity for identity in _mine if identity[0] == os.getpid()]:
        os.close(_mine.pop(identity))


def _identity(facts: os.stat_result) -> tuple[int, int, int]:
    return os.getpid(), facts.st_dev, facts.st_ino


def try_byte(path: str, byte: int) -> int | None:
    """Take the lock of one byte of a file, as ``acquire`` does that of all; ``None`` if somebody has it, or all."""
    return _opened(path, _pack(fcntl.F_WRLCK, byte, 1))


@contextlib.contextmanager
def held(path: str) -> Generator[bool]:
    """Hold a lock for a few file operations, if nobody else does; yields whether it was got.

    The lock is taken on an open file description where the system has such locks (Linux), so that two threads of one
    process exclude each other as two processes do.
    """
    descriptor = acquire(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def acquire(path: str) -> int | None:
    """Take such a lock, to be let go of by closing the descriptor; ``None`` if somebody has it.

    Who wants to wait for it tries again: the kernel has no wait with a time limit, and a thread that waits is missing
    elsewhere.
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
