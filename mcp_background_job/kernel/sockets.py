"""The listening TCP sockets of this machine, and those of them that a job's processes hold.

The module asks the kernel over netlink for listening sockets alone. That takes 0.1 ms. The tables in /proc take 10 ms
and more, since the kernel walks through all connections for them. They are used if netlink is refused (sandboxes).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

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

#: The places of a port (big-endian), an address and an inode behind the header: struct inet_diag_msg.
_PORT = struct.Struct(">H")
_PORT_AT = _HEADER.size + 4
_ADDRESS_AT = _HEADER.size + 8
_INODE = struct.Struct("=L")
_INODE_AT = _HEADER.size + 68

#: TCP_LISTEN of net/tcp_states.h, as a bit and as the tables of /proc print it.
_LISTEN = 1 << 10
_LISTEN_IN_TABLE = b"0A"

_ANSWER_SIZE = 65536

#: The beginning of the link of a descriptor that is a socket; its inode and a bracket follow.
_SOCKET = "socket:["

#: Bytes of an address, by its family.
_ADDRESS_SIZE = {socket.AF_INET: 4, socket.AF_INET6: 16}

#: In an IPv6 socket, IPv4 addresses have this prefix.
_MAPPED = bytes(10) + b"\xff\xff"


class Listener(NamedTuple):
    """A listening TCP socket: its inode, its port, and its address in network order (4 or 16 bytes)."""

    inode: int
    port: int
    address: bytes


def listening() -> list[Listener]:
    """Return all listening TCP sockets."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
            return _asked(kernel, socket.AF_INET) + _asked(kernel, socket.AF_INET6)
    except OSError:
        return _from_tables()


def asked_at(address: str, listeners: Iterable[Listener]) -> list[Listener]:
    """Return the listeners on one port that get a connection to an address: the most specific ones.

    Raises:
        OSError: the address is no IP address.
    """
    packed = packed_address(address)
    is_v4 = len(packed) == _ADDRESS_SIZE[socket.AF_INET]
    by_rank = [(packed, _MAPPED + packed), (bytes(4), _MAPPED + bytes(4))] if is_v4 else [(packed,)]
    known = list(listeners)
    for rank in (*by_rank, (bytes(16),)):
        if found := [one for one in known if one.address in rank]:
            return found
    return []


def packed_address(address: str) -> bytes:
    """Return an IP address in network order; an IPv4 address within an IPv6 one as IPv4.

    Raises:
        OSError: the text is no IP address.
    """
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return packed.removeprefix(_MAPPED)


def ports_of(processes: Iterable[Process]) -> list[int]:
    """Return the TCP ports that any of the processes listens on."""
    held = {inode for process in processes for inode in _sockets_of(process)}
    if not held:  # the usual case; the kernel would walk through all sockets of the machine
        return []
    return sorted({one.port for one in listening() if one.inode in held})


def are_of_network(pid: int) -> bool:
    """Tell whether a process is in the network namespace of this one, whose sockets this module lists."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:  # it has ended
        return False


def held_by(processes: Iterable[Process], inodes: Iterable[int]) -> set[int]:
    """Return those sockets of ``inodes`` that any of the processes has open."""
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


def _asked(kernel: socket.socket, family: socket.AddressFamily) -> list[Listener]:
    found: list[Listener] = []
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
            at = place + _ADDRESS_AT
            found.append(Listener(inode, port, answer[at : at + _ADDRESS_SIZE[family]]))
            place += (length + 3) & ~3  # messages begin at multiples of four


def _from_tables() -> list[Listener]:
    found: list[Listener] = []
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with contextlib.suppress(OSError):  # a kernel without IPv6
            for line in proc.read(table).splitlines()[1:]:
                _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
                if state == _LISTEN_IN_TABLE:
                    address, _, port = local.partition(b":")
                    found.append(Listener(int(inode), int(port, 16), _from_table(address)))
    return found


def _from_table(address: bytes) -> bytes:
    """Return an address that is printed as numbers of four bytes, each in the order of this machine."""
    words = [address[at : at + 8] for at in range(0, len(address), 8)]
    return b"".join(_INODE.pack(int(word, 16)) for word in words)
