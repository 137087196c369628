"""The near end of a connection to a port of a node; the far end is ``runner.node.forwarding``."""

from __future__ import annotations

import asyncio
import base64

from mcp_background_job.jobdir.control import Outlet

#: The most bytes that each side has under way, and the bytes of one line before encoding: the same as at the far end.
WINDOW = 256 * 1024
PIECE = 48 * 1024


class Leg:
    """One connection. At most one task at a time receives from it."""

    def __init__(self, reader: asyncio.StreamReader, outlet: Outlet) -> None:
        """Takes over a connection of a relay."""
        self._reader = reader
        self._outlet = outlet
        self._credit = WINDOW
        self._more = asyncio.Event()
        self._is_over = False

    async def send(self, data: bytes) -> None:
        """Send bytes, once the other end has taken enough of those sent before.

        Raises:
            ConnectionResetError: the connection has ended.
        """
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            while self._credit < len(piece):
                if self._is_over:
                    raise ConnectionResetError("the other end has closed the connection")
                self._more.clear()
                await self._more.wait()
            self._credit -= len(piece)
            self._outlet.write(b"+" + base64.b64encode(piece) + b"\n")
            await self._outlet.drain()

    async def receive(self) -> bytes:
        """Return received bytes, at most ``PIECE``; empty once the connection has ended. Call ``took`` afterwards."""
        while line := await self._reader.readline():
            if line.startswith(b"+"):
                return base64.b64decode(line[1:])
            if line.startswith(b"~"):
                self._credit += int(line[1:])
                self._more.set()
        self._is_over = True
        self._more.set()
        return b""

    def took(self, size: int) -> None:
        """Allow as many further bytes: so many were passed on."""
        self._outlet.write(b"~%d\n" % size)

    def close(self) -> None:
        """Hang up."""
        self._outlet.close()
