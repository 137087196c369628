"""Finds the process that listens on a TCP port of this machine.

On Linux the kernel's tables of sockets are read first; if no process listens, that is all. Otherwise the descriptors of
those processes that this user may look into are searched for the socket.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from mcp_background_job.core.values import frozen
from mcp_background_job.processes import census

#: The state LISTEN in the kernel's tables: include/net/tcp_states.h
_LISTEN = "0A"

#: If several processes listen on one port at different addresses, the result is the one that a loopback connection
#: reaches: the exact address wins over the wildcard.
_BY_LOOPBACK = ("127.0.0.1", "0.0.0.0", "::", "::1")  # noqa: S104  compared with, not bound to


@frozen
class Listener:
    """A process that listens on a port.

    Attributes:
        pid: the process; if several share the socket, the oldest, which made it. ``None`` if it is a process that this
            user may not look into: another user's.
        addresses: the addresses that this process listens at, as text: ``127.0.0.1``, ``0.0.0.0``, ``::``.
    """

    pid: int | None
    addresses: frozenset[str]


class _Socket(NamedTuple):
    address: str
    inode: str


def listener_on(port: int) -> Listener | None:
    """Return the process that listens on a TCP port; ``None`` if there is none.

    The answer holds for one moment. Take hold of the process (``ProcessWrapper``), and ask again: if the same pid still
    listens, the held process is the listener.

    Without /proc, sockets of other users are not visible, and the answer is ``None``.
    """
    if sys.platform != "linux":
        return _listener_by_psutil(port)
    sockets = list(_listening(port))
    if not sockets:
        return None
    owners = _owners({socket.inode for socket in sockets})
    answering = min(sockets, key=_rank)
    pid = owners.get(answering.inode)
    return Listener(pid, frozenset(socket.address for socket in sockets if owners.get(socket.inode) == pid))


def is_taken(port: int) -> bool:
    """Tell whether a process listens on a TCP port, at any address."""
    if sys.platform != "linux":
        return _listener_by_psutil(port) is not None
    return any(_listening(port))


def _rank(socket: _Socket) -> int:
    return _BY_LOOPBACK.index(socket.address) if socket.address in _BY_LOOPBACK else len(_BY_LOOPBACK)


def _listening(port: int) -> Iterator[_Socket]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for line in lines:
            _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
            address, _, number = local.partition(":")
            if state == _LISTEN and int(number, 16) == port:
                yield _Socket(_address(address), inode)


def _address(text: str) -> str:
    """Decode an address of the kernel's tables: hexadecimal words of four bytes, each in the machine's byte order."""
    raw = bytes.fromhex(text)
    words = [raw[i : i + 4] for i in range(0, len(raw), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    return str(ipaddress.ip_address(b"".join(words)))


def _owners(inodes: set[str]) -> dict[str, int]:
    """Return the oldest process that holds each of these sockets, as far as this user may look."""
    links = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, tuple[float, int]] = {}
    for pid in psutil.pids():
        held = {links[link] for link in _descriptors(pid) if link in links}
        if held and (seen := census.look_up(pid)):
            # Children inherit sockets. A pid may change hands between the looks at its descriptors and at its start
            # time, and also later: the caller asks again when it holds the process.
            for inode in held:
                owners[inode] = min(owners.get(inode, (seen.birth, pid)), (seen.birth, pid))
    return {inode: pid for inode, (_, pid) in owners.items()}


def _descriptors(pid: int) -> Iterator[str]:
    directory = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):  # gone, or this user may not look into it
        for name in os.listdir(directory):  # noqa: PTH208  tens of thousands of descriptors, on a desktop
            with contextlib.suppress(OSError):
                yield os.readlink(f"{directory}/{name}")  # noqa: PTH115  as above


def _listener_by_psutil(port: int) -> Listener | None:
    """Find the listener without /proc: macOS shows the sockets of this user's processes, one process at a time."""
    found: dict[tuple[float, int], set[str]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            addresses = {
                connection.laddr.ip
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            }
            if addresses:
                found[process.create_time(), process.pid] = addresses
    if not found:
        return None
    (_, pid), addresses = min(found.items())
    return Listener(pid, frozenset(addresses))
