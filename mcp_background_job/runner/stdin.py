"""The job's stdin: takes input as it comes, and passes it on as the job reads it."""

from __future__ import annotations

import os

#: Bytes of input that the job has not read yet. More is refused, so memory stays bounded.
MAX_UNREAD = 1024 * 1024

#: The end of input on a terminal: termios(3), VEOF.
_END_ON_TERMINAL = b"\x04"


class Stdin:
    """This process's end of the job's stdin.

    Attributes:
        descriptor: the descriptor to write to; ``None`` when it is closed.
        unread: bytes that the job has not read.
    """

    def __init__(self, descriptor: int | None, *, is_terminal: bool) -> None:
        """Takes a non-blocking descriptor."""
        self.descriptor = descriptor
        self.unread = bytearray()
        self._is_terminal = is_terminal
        self._ends = False

    def begin_with(self, data: bytes) -> None:
        """Take the first bytes of the stdin, of any size, since they are in memory already."""
        self.unread += data
        self.write()

    def take(self, data: bytes, *, eof: bool) -> dict[str, object]:
        """Take input; returns the answer for its sender."""
        if self.descriptor is None or self._ends:
            return {"error": "closed"}
        if len(self.unread) + len(data) > MAX_UNREAD:
            return {"error": "full", "unread": len(self.unread)}
        self.unread += data + (_END_ON_TERMINAL if eof and self._is_terminal else b"")
        self._ends = eof and not self._is_terminal
        self.write()
        return {"ok": True, "unread": len(self.unread)}

    def write(self) -> None:
        """Write as much as the job can take now; closes the stdin after the last byte, or when nothing reads it."""
        if self.descriptor is None:
            return
        try:
            while self.unread:
                del self.unread[: os.write(self.descriptor, self.unread)]
        except BlockingIOError:
            return
        except OSError:
            self.unread.clear()
            self._ends = True
        if self._ends:
            os.close(self.descriptor)
            self.descriptor = None
