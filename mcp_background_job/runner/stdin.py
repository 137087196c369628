"""The job's stdin: takes input as it comes, and passes it on as the job reads it."""

from __future__ import annotations

import os

#: Input that the job has not read yet; more than this is refused, so that memory stays bounded.
MAX_UNREAD = 1024 * 1024

#: A terminal's way to say that the input ends: termios(3), VEOF.
_END_ON_TERMINAL = b"\x04"


class Stdin:
    """Our end of the job's stdin.

    Attributes:
        descriptor: to write to; ``None`` when it is closed.
        unread: bytes that wait.
    """

    def __init__(self, descriptor: int | None, *, is_terminal: bool) -> None:
        """Takes over a non-blocking descriptor."""
        self.descriptor = descriptor
        self.unread = bytearray()
        self._is_terminal = is_terminal
        self._ends = False

    def begin_with(self, data: bytes) -> None:
        """Take what the stdin begins with; of any size, since it is in memory already."""
        self.unread += data
        self.write()

    def take(self, data: bytes, *, eof: bool) -> dict[str, object]:
        """Take input; returns the answer for whoever sent it."""
        if self.descriptor is None or self._ends:
            return {"error": "closed"}
        if len(self.unread) + len(data) > MAX_UNREAD:
            return {"error": "full", "unread": len(self.unread)}
        self.unread += data + (_END_ON_TERMINAL if eof and self._is_terminal else b"")
        self._ends = eof and not self._is_terminal
        self.write()
        return {"ok": True, "unread": len(self.unread)}

    def write(self) -> None:
        """Write what the job can take now; closes it after the last byte, and when nobody reads it any more."""
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
