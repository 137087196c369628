"""Reads small files of /proc. A runner does that every second: with few system calls, and no buffer or stream."""

from __future__ import annotations

import os

#: Bytes. Most of these files are shorter; of long ones the kernel gives a page at a time, whatever size is requested.
_PIECE = 4096


def read(path: str) -> bytes:
    """Return the content of a file of /proc.

    Raises:
        FileNotFoundError, ProcessLookupError: the process is gone.
        PermissionError: this user may not read it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, _PIECE)
        while more := os.read(descriptor, _PIECE):
            data += more
        return data
    finally:
        os.close(descriptor)


def parted(stat: bytes) -> tuple[str, list[bytes]]:
    """Return the name in a ``stat`` file of a process or thread, and the fields behind it, its state first: proc(5)."""
    # The name stands in parentheses and may itself hold spaces and parentheses.
    end = stat.rindex(b")")
    return stat[stat.index(b"(") + 1 : end].decode(errors="replace"), stat[end + 2 :].split()
