"""Which TCP sockets of this machine listen, and which of them a job's processes hold.

The kernel is asked for listening sockets alone, over netlink: 0.1 ms, where its tables in /proc take 10 ms and more,
since all connections of the machine are walked through. Where netlink is refused (sandboxes) those tables have to do.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterable

from mcp_background_job.kernel import proc
from mcp_background_job.kernel.tree import Process

#: linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_DONE = 3
_ERROR = 2

#: struct nlmsghdr: length, type, flags, sequence, port; then struct inet_diag_req_v2: family, protocol, what else,
#: padding, states, and a socket, which is not looked at.
_REQUEST = struct.Struct("=LHHLLBBBxL48x")
_HEADER = struct.Struct("=LHHLL")

#: Where a port (big-endian) and an inode stand behind the header: struct inet_diag_msg.
_PORT = struct.Struct(">H")
_PORT_AT = _HEADER.size + 4
_INODE = struct.Struct("=L")
_INODE_AT = _HEADER.size + 68

#: TCP_LISTEN of net/tcp_states.h, as a bit and as the tables of /proc print it.
_LISTEN = 1 << 10
_LISTEN_IN_TABLE = b"0A"

_ANSWER_SIZE = 65536

#: How the link of a descriptor begins that is a socket; its inode and a bracket follow.
_SOCKET = "socket:["


def listening() -> dict[int, int]:
    """Return the port of every listening TCP socket, on whatever address, by the inode of the socket."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
            return dict(_asked(kernel, socket.AF_INET) + _asked(kernel, socket.AF_INET6))
    except OSError:
        return _from_tables()


def ports_of(processes: Iterable[Process]) -> list[int]:
    """Return the TCP ports that any of the processes listens on."""
    held = {inode for process in processes for inode in _sockets_of(process)}
    if not held:  # so it is with most jobs, and the kernel looks through all sockets of the machine for an answer
        return []
    return sorted({port for inode, port in listening().items() if inode in held})


def are_of_network(pid: int) -> bool:
    """Tell whether a process has the network of this one, whose sockets are those that are told here."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:  # it has ended
        return False


def held_by(processes: Iterable[Process], inodes: Iterable[int]) -> set[int]:
    """Return those of the sockets that any of the processes has open."""
    wanted = set(inodes)
    held: set[int] = set()
    for process in processes:
        if held == wanted:
            break
        held |= wanted & _sockets_of(process)
    return held


def _sockets_of(process: Process) -> set[int]:
    """Return the inodes of the sockets that a process has open."""
    found: set[int] = set()
    directory = f"/proc/{process.pid}/fd"
    with contextlib.suppress(OSError):  # it has ended, or is another user's
        for name in os.listdir(directory):
            with contextlib.suppress(OSError):  # closed meanwhile
                link = os.readlink(f"{directory}/{name}")
                if link.startswith(_SOCKET):
                    found.add(int(link[len(_SOCKET) : -1]))
    return found


def _asked(kernel: socket.socket, family: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    kernel.send(
        _REQUEST.pack(_REQUEST.size, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0, family, socket.IPPROTO_TCP, 0, _LISTEN)
    )
    while True:
        answer = kernel.recv(_ANSWER_SIZE)
        place = 0
        while place < len(answer):
            length, kind, *_ = _HEADER.unpack_from(answer, place)
            if kind == _DONE:
                return found
            if kind == _ERROR:
                raise OSError("the kernel does not tell sockets over netlink")
            (port,) = _PORT.unpack_from(answer, place + _PORT_AT)
            (inode,) = _INODE.unpack_from(answer, place + _INODE_AT)
            found.append((inode, port))
            place += (length + 3) & ~3  # messages begin at multiples of four


def _from_tables() -> dict[int, int]:
    found: dict[int, int] = {}
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with contextlib.suppress(OSError):  # a kernel without IPv6
            for line in proc.read(table).splitlines()[1:]:
                _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
                if state == _LISTEN_IN_TABLE:
                    found[int(inode)] = int(local.rpartition(b":")[2], 16)
    return found
