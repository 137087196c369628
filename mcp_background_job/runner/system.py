"""Functions of Linux that the standard library does not have."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable

#: From <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

#: From <linux/falloc.h>
_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02

#: The spawner looks this up once: a runner that did so itself would have its own copy of the memory for that.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_prctl: Callable[..., int] | None = _libc.prctl if _libc else None
#: Under this name it takes 64-bit offsets on every architecture. musl, which has no other kind, does not have the name.
_fallocate = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
if _fallocate is not None:
    _fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def become_subreaper() -> bool:
    """Make orphans below this process its children; returns whether this system can do that."""
    return _prctl is not None and _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def name_process(name: str) -> None:
    """Show this name in ``ps`` and ``top`` (its first 15 bytes) instead of the interpreter's."""
    if _prctl is not None:
        _prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def signal_at_end_of_parent(number: int) -> None:
    """Let the kernel signal this process when its parent dies; does nothing on a system that cannot do that."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def punch_hole(descriptor: int, start: int, end: int) -> None:
    """Free the blocks of a file from one offset to another; they then read as zeros, and the file's size stays.

    Raises:
        OSError: this system or file system cannot do that, or it failed.
    """
    if _fallocate is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    while _fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, start, end - start) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:  # most likely, a child has ended meanwhile
            raise OSError(number, os.strerror(number))
