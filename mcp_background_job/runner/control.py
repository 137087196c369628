"""The runner's side of ``control.sock``: lines of JSON in, lines of JSON out, and never a wait for a client.

A request is ``{"op": …}``; ``docs/reference/state-directory.md`` lists them. A client that does not read its answers is
dropped, since the job matters more than its watchers.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket

#: A longer request is not from this program: input for a job comes in much smaller pieces.
MAX_REQUEST = 1024 * 1024

#: Watchers are few. Connections beyond this number wait in the kernel.
_BACKLOG = 64


class Connection:
    """One client.

    Attributes:
        watching: log offset beyond which it wants news; ``None`` if it does not watch.
        knows_leader_exit: whether it knows that the command itself is over.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Takes a connected socket."""
        sock.setblocking(False)  # noqa: FBT003  its only form
        self.watching: int | None = None
        self.knows_leader_exit = False
        self._sock = sock
        self._unread = b""

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._sock.fileno()

    def read(self) -> list[bytes] | None:
        """Return the lines that have arrived whole; ``None`` if the client is gone or its line is too long."""
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data or len(self._unread) + len(data) > MAX_REQUEST:
            return None
        *lines, self._unread = (self._unread + data).split(b"\n")
        return lines

    def send(self, **answer: object) -> bool:
        """Send an answer; returns whether the client took it."""
        data = json.dumps(answer).encode() + b"\n"
        try:
            return self._sock.send(data) == len(data)
        except OSError:  # its buffer is full, or it is gone
            return False

    def close(self) -> None:
        """Hang up."""
        self._sock.close()


class Door:
    """A listening socket at which clients connect."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes a listening socket, which does not block."""
        self._sock = sock

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._sock.fileno()

    def accept(self) -> Connection | None:
        """Accept a client; ``None`` if it has gone again, or is not allowed."""
        try:
            sock, _ = self._sock.accept()
        except OSError:  # or there are no descriptors left: it will try again
            return None
        return Connection(sock)

    def close(self) -> None:
        """Accept no more clients."""
        self._sock.close()


def listen(directory: str, name: str) -> socket.socket:
    """Listen on a socket file in a directory; its path may be longer than a socket address can hold."""
    here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.chdir(directory)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # left by a dead runner
        sock.bind(name)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    finally:
        os.fchdir(here)
        os.close(here)
    sock.setblocking(False)  # noqa: FBT003  its only form
    return sock
