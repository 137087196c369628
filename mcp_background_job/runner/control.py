"""The runner's side of ``control.sock``: lines of JSON in, lines of JSON out, and never a wait for a client.

A request is ``{"op": …}``; ``docs/reference/state-directory.md`` lists them. A client that does not read what it asked
for is dropped, since the job matters more than its watchers.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket

#: A request longer than this is not one of ours; input for a job comes in pieces that are smaller by far.
MAX_REQUEST = 1024 * 1024

#: Watchers are few; more than this at once wait in the kernel.
_BACKLOG = 64


class Connection:
    """One client.

    Attributes:
        watching: log offset beyond which it wants to be told, ``None`` if it does not watch.
        knows_leader_exit: whether it has been told that the command itself is over.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Takes over a connected socket."""
        sock.setblocking(False)  # noqa: FBT003  its only form
        self.watching: int | None = None
        self.knows_leader_exit = False
        self._sock = sock
        self._unread = b""

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._sock.fileno()

    def read(self) -> list[bytes] | None:
        """Return the lines that have arrived whole; ``None`` when the client is gone or its line has no end."""
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
        except OSError:  # full, or gone
            return False

    def close(self) -> None:
        """Hang up."""
        self._sock.close()


class Door:
    """Where clients come in."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes over a listening socket, which does not block."""
        self._sock = sock

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._sock.fileno()

    def accept(self) -> Connection | None:
        """Let a client in; ``None`` if it has gone again, or may not."""
        try:
            sock, _ = self._sock.accept()
        except OSError:  # or we are out of descriptors: it will try again
            return None
        return Connection(sock)

    def close(self) -> None:
        """Let nobody in any more."""
        self._sock.close()


def listen(directory: str, name: str) -> socket.socket:
    """Listen on a socket file in a directory; its path may be longer than a socket address can hold."""
    here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.chdir(directory)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # a dead runner's
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
