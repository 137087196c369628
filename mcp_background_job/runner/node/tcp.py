"""Clients over TCP. Each proves that it can read the job's directory, and gets the same proof.

The token is in ``address.json``, which only its user can read, and it never travels. Each side sends a number that was
never used before, and gets back a proof that only the token makes from both numbers. The proof names its side, so it
cannot be sent back to that side. Later lines are neither hidden nor authenticated.
"""

from __future__ import annotations

import json
import socket
from typing import Any, cast

from mcp_background_job.jobdir.address import CLIENT, RUNNER, is_proof, nonce, proof
from mcp_background_job.runner import control

#: At most this many connections may be unproved. A further one replaces the oldest, so a silent stranger keeps no
#: client out.
_MAX_UNPROVED = 16

#: Characters of a client's number, which was never used before.
_LEAST_NONCE, _MOST_NONCE = 32, 64

#: No proof needs a longer line.
_MAX_LINE = 512


#: Bytes. An answer is sent at once or its client is dropped, and a new connection has room for less than the longest
#: answer.
_ROOM = 128 * 1024


class TcpDoor(control.Door):
    """A socket at which clients connect over TCP."""

    def __init__(self, sock: socket.socket, token: bytes) -> None:
        """Takes a listening socket."""
        super().__init__(sock)
        self._token = token
        self._unproved: list[GuardedConnection] = []

    def accept(self) -> control.Connection | None:
        """Accept a client that has yet to prove itself."""
        try:
            sock, _ = self._sock.accept()
        except OSError:
            return None
        self._unproved = [one for one in self._unproved if one.is_unproved]
        if len(self._unproved) >= _MAX_UNPROVED:
            self._unproved.pop(0).shut()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a client's machine may be switched off
        connection = GuardedConnection(sock, self._token)
        self._unproved.append(connection)
        return connection


class GuardedConnection(control.Connection):
    """A client whose requests count only after it has proved that it knows the token."""

    def __init__(self, sock: socket.socket, token: bytes) -> None:
        """Takes a connected socket."""
        super().__init__(sock)
        self._token = token
        self._is_proved = False
        self._expected = ""

    @property
    def is_unproved(self) -> bool:
        """Whether it is open and has not proved itself."""
        return not self._is_proved and self.fileno() >= 0

    def send(self, **answer: object) -> bool:
        """Send an answer, but nothing to a stranger."""
        return super().send(**answer) if self._is_proved else True

    def shut(self) -> None:
        """Close the connection, so the next read finds its end."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def read(self) -> list[bytes] | None:
        """Return requests that count; anything else from a stranger ends its connection."""
        lines = super().read()
        while lines and not self._is_proved:
            if not self._is_next_step(lines.pop(0)):
                super().send(error="refused: this is not the job, or not the token of its address.json")
                return None
        return lines if self._is_proved or len(self._unread) <= _MAX_LINE else None

    def _is_next_step(self, line: bytes) -> bool:
        said = _parsed(line)
        if not self._expected:
            ours, theirs = nonce(), said.get("hello")
            if not isinstance(theirs, str) or not _LEAST_NONCE <= len(theirs) <= _MOST_NONCE:
                return False
            self._expected = proof(self._token, CLIENT, theirs, ours)
            return super().send(nonce=ours, proof=proof(self._token, RUNNER, theirs, ours))
        self._is_proved = is_proof(said.get("proof"), self._expected)
        return self._is_proved and self.send(ok=True)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        said: object = json.loads(line) if len(line) <= _MAX_LINE else None
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
