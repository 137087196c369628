"""Whether a connection over the loopback comes from this process itself. Linux only."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path

_TABLE = Path("/proc/net/tcp")


def is_from_here(here: tuple[str, int], peer: tuple[str, int]) -> bool:
    """Tell whether the other end of a TCP connection over IPv4 is a socket of this process.

    False if the system does not show it.

    Args:
        here: address and port of this end.
        peer: address and port of the other end.
    """
    wanted = (_as_printed(peer), _as_printed(here))
    try:
        lines = _TABLE.read_text().splitlines()[1:]
    except OSError:
        return False
    inodes = {fields[9] for fields in map(str.split, lines) if (fields[1], fields[2]) == wanted}
    links = {f"socket:[{inode}]" for inode in inodes}
    return any(link in links for link in _own_descriptors())


def _as_printed(address: tuple[str, int]) -> str:
    """Return an address as the kernel prints it: its four bytes as one number, in this machine's byte order."""
    host, port = address
    (word,) = struct.unpack("=I", socket.inet_aton(host))
    return f"{word:08X}:{port:04X}"


def _own_descriptors() -> list[str]:
    found: list[str] = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile, as the descriptor of this listing is
            found.append(str(entry.readlink()))
    return found
