"""Clients over TCP, each of which proves that it can read the job's directory, and is proved the same.

The token lies in ``address.json``, for its user alone, and never travels. Each side sends a number that nobody has used
before and gets back what only the token makes of both numbers; who answers is part of that, so that nobody can send an
answer back to where it came from. What is said afterwards is neither hidden nor sealed.
"""

from __future__ import annotations

import json
import socket
from typing import Any, cast

from mcp_background_job.jobdir.address import CLIENT, RUNNER, is_proof, nonce, proof
from mcp_background_job.runner import control

#: So many may be on the way to prove themselves. Who comes beyond that takes the place of the oldest: a stranger that
#: says nothing keeps nobody out.
_MAX_UNPROVED = 16

#: Characters of a number that a client has never used before.
_LEAST_NONCE, _MOST_NONCE = 32, 64

#: Nobody needs a longer line to prove itself.
_MAX_LINE = 512


#: An answer is sent at once or its client is dropped, and a connection begins with room for less than the longest.
_ROOM = 128 * 1024


class TcpDoor(control.Door):
    """Where clients come in over TCP."""

    def __init__(self, sock: socket.socket, token: bytes) -> None:
        """Takes over a listening socket."""
        super().__init__(sock)
        self._token = token
        self._unproved: list[GuardedConnection] = []

    def accept(self) -> control.Connection | None:
        """Let a client in as far as the guard."""
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
    """A client whose requests count when it has proved that it knows the token."""

    def __init__(self, sock: socket.socket, token: bytes) -> None:
        """Takes over a connected socket."""
        super().__init__(sock)
        self._token = token
        self._is_proved = False
        self._expected = ""

    @property
    def is_unproved(self) -> bool:
        """Whether it is there and has not proved itself."""
        return not self._is_proved and self.fileno() >= 0

    def send(self, **answer: object) -> bool:
        """Send an answer, but tell a stranger nothing."""
        return super().send(**answer) if self._is_proved else True

    def shut(self) -> None:
        """Have its next reading find its end."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def read(self) -> list[bytes] | None:
        """Return requests that count; what a stranger sends ends its connection."""
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
