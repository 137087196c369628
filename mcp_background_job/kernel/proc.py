"""Reads small files of /proc, which a runner does every second: with few system calls, and no buffer or stream."""

from __future__ import annotations

import os

#: Most of these files are shorter; of long ones the kernel gives a page at a time, whatever is asked for.
_PIECE = 4096


def read(path: str) -> bytes:
    """Return what a file of /proc holds.

    Raises:
        FileNotFoundError, ProcessLookupError: the process is gone.
        PermissionError: it is not ours to look into.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, _PIECE)
        while more := os.read(descriptor, _PIECE):
            data += more
        return data
    finally:
        os.close(descriptor)
