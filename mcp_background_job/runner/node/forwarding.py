"""Carries TCP connections from another machine, over stdin and stdout, to a port of 127.0.0.1.

An engine starts it within a job, and so on the job's node, under the job's user. One process serves many connections.
Each line begins with the number of one. A number alone hangs up, from either side, as with a relay. Otherwise a blank
follows, and then:

    +BASE64   bytes of the connection
    ~NUMBER   the other end has taken this many bytes, and as many more may come

It uses lines, because engines hold back text without an end of line. A side has at most WINDOW bytes on their way, so a
connection that nobody reads delays no other and takes no more memory than that.
"""

from __future__ import annotations

import base64
import contextlib
import os
import select
import socket
import struct

from mcp_background_job.jobdir.address import GREETING
from mcp_background_job.jobdir.records import write_all

#: Bytes that each side of a connection has on their way at most.
WINDOW = 256 * 1024

#: Bytes of one line, before they are encoded.
PIECE = 48 * 1024

#: Connections at once. A client of ComfyUI has fewer than ten.
MOST = 64

#: Seconds. The port is on this machine, so only a program that accepts no connections makes it wait.
_CONNECT_S = 2.0

_READ_SIZE = 65536

#: The state LISTEN in the kernel's tables: include/net/tcp_states.h
_LISTEN = "0A"


class _Carried:
    """One connection.

    Attributes:
        sock: socket connected to the port.
        waiting: bytes from the other side that the socket has not taken.
        credit: how many bytes may be sent to the other side.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting = b""
        self.credit = WINDOW


class _Forward:
    def __init__(self, port: int) -> None:
        self._port = port
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._unread = b""
        self._carried: dict[bytes, _Carried] = {}
        self._numbers: dict[int, bytes] = {}

    def turn(self) -> bool:
        """Carry the bytes that are there; returns whether more may come."""
        for descriptor, event in self._poll.poll():
            if descriptor == 0:
                if not self._from_afar():
                    return False
                continue
            number = self._numbers.get(descriptor)  # an earlier event of this turn may have closed it
            if number is not None and event & select.POLLOUT:
                self._flush(number)
            if number in self._carried and event & ~select.POLLOUT:
                self._from_port(number)
        return True

    def _from_afar(self) -> bool:
        data = os.read(0, _READ_SIZE)
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            number, blank, said = line.partition(b" ")
            try:
                if not blank:
                    self._hang_up(number)
                elif said[:1] == b"+":
                    self._take(number, base64.b64decode(said[1:], validate=True))
                elif number in self._carried:
                    self._carried[number].credit += int(said[1:])
                    self._watch(number)
            except (OSError, ValueError):  # no program listens, or the line is not from this program
                self._hang_up(number)
                _say(number)
        return bool(data)

    def _take(self, number: bytes, data: bytes) -> None:
        if number not in self._carried:
            self._connect(number)
        carried = self._carried[number]
        carried.waiting += data
        if len(carried.waiting) > WINDOW:
            raise ValueError("more was sent than was agreed")
        self._flush(number)

    def _connect(self, number: bytes) -> None:
        if len(self._carried) >= MOST:
            raise OSError("too many connections")
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=_CONNECT_S)
        # Checked afterwards: the program that listened at that time is the one that is reached. A node has many users.
        if not is_ours(self._port):
            sock.close()
            raise OSError("another program listens there")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)  # noqa: FBT003  its only form
        self._carried[number], self._numbers[sock.fileno()] = _Carried(sock), number
        self._poll.register(sock, select.POLLIN)

    def _flush(self, number: bytes) -> None:
        carried = self._carried[number]
        try:
            taken = carried.sock.send(carried.waiting) if carried.waiting else 0
        except BlockingIOError:
            taken = 0
        except OSError:
            self._hang_up(number)
            _say(number)
            return
        carried.waiting = carried.waiting[taken:]
        if taken:
            _say(number, b"~%d" % taken)
        self._watch(number)

    def _from_port(self, number: bytes) -> None:
        carried = self._carried[number]
        if carried.credit <= 0:
            return
        try:
            data = carried.sock.recv(min(PIECE, carried.credit))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(number)
            _say(number)
            return
        carried.credit -= len(data)
        _say(number, b"+" + base64.b64encode(data))
        self._watch(number)

    def _watch(self, number: bytes) -> None:
        carried = self._carried[number]
        wanted = (select.POLLIN if carried.credit > 0 else 0) | (select.POLLOUT if carried.waiting else 0)
        if wanted:
            self._poll.register(carried.sock, wanted)
        else:  # poll would report its end again and again, in a busy loop
            self._forget(carried.sock)

    def _forget(self, sock: socket.socket) -> None:
        with contextlib.suppress(KeyError):  # it was not watched
            self._poll.unregister(sock)

    def _hang_up(self, number: bytes) -> None:
        carried = self._carried.pop(number, None)
        if carried is not None:
            self._forget(carried.sock)
            del self._numbers[carried.sock.fileno()]
            carried.sock.close()


def serve(port: int) -> None:
    """Carry connections until stdin ends."""
    forward = _Forward(port)
    write_all(1, GREETING + b"\n")
    while forward.turn():
        pass


def is_ours(port: int) -> bool:
    """Tell whether a process of this user listens on a port of 127.0.0.1."""
    # As the kernel prints it: the four bytes as one number of this machine's byte order.
    (word,) = struct.unpack("=I", socket.inet_aton("127.0.0.1"))
    loopback = f"{word:08X}"
    found: dict[str, int] = {}
    with open("/proc/net/tcp", encoding="ascii") as table:
        next(table)
        for line in table:
            fields = line.split()
            address, _, number = fields[1].partition(":")
            if fields[3] == _LISTEN and int(number, 16) == port:
                found[address] = int(fields[7])
    # The exact address wins over the wildcard. Listeners at other addresses are not reached.
    user = found.get(loopback, found.get("00000000"))
    return user == os.geteuid()


def _say(number: bytes, said: bytes = b"") -> None:
    write_all(1, number + b" " + said + b"\n" if said else number + b"\n")
