"""A port of the loopback here that leads to a port where a job runs, for this process alone.

Each process makes its own, so that none depends on another's life. It ends with the job: nobody is connected to
whatever listens on the node afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.processes.peers import is_from_here

_log = logging.getLogger(__name__)

#: Connections at once; a client of ComfyUI has fewer than ten.
MOST = 32

_READ_SIZE = 48 * 1024


class Leg(Protocol):
    """One connection to where the job runs."""

    async def send(self, data: bytes) -> None:
        """Send bytes, when there is room.

        Raises:
            ConnectionError: the connection is over.
        """
        ...

    async def receive(self) -> bytes:
        """Return what came; empty when the connection is over."""
        ...

    def took(self, size: int) -> None:
        """Let as many more bytes come: so many were passed on."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


@runtime_checkable
class Forwarding(Protocol):
    """A place on other machines, whose jobs' ports can be reached through it."""

    async def leg(self, job_id: str, port: int) -> Leg:
        """Connect to a port of 127.0.0.1 where a job runs.

        Raises:
            NoRunnerError: the job does not run.
            RunnerTimeoutError: no way leads to it.
        """
        ...


class Forward:
    """One port here. Its number is known at once; connections are taken once it is started."""

    def __init__(self, reach: Callable[[], Awaitable[Leg]], is_over: Callable[[], bool]) -> None:
        """Takes what connects to where the job runs, as ``Forwarding.leg`` does, and what tells that it is over."""
        self._reach = reach
        self._is_job_over = is_over
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._is_over = False
        #: Why the last connection could not be made; empty if it could.
        self.trouble = ""

    async def start(self) -> None:
        """Take connections from now on."""
        if self._server is None and not self._is_over:
            self._server = await asyncio.start_server(self._accept, sock=self._socket, limit=_READ_SIZE)

    async def close(self) -> None:
        """Take no more connections, and end those that there are."""
        self._stop_listening()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    def _stop_listening(self) -> None:
        self._is_over = True
        if self._server is not None:
            self._server.close()
        self._socket.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # In a task of ours: asyncio's own, once canceled, says on stderr that it was (Python 3.11).
        task = asyncio.create_task(self._served(reader, writer), name=f"a connection to port {self.port}")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except ConnectionError:  # whoever talks over it is told by the end of the connection
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        # Any user of this machine can connect to its loopback.
        if len(self._serving) > MOST or not await lanes.scan(is_from_here, here, peer):
            return
        try:
            leg = await self._reach()
        except NoRunnerError as error:
            self.trouble = f"its job is not running: {error}"
            if await lanes.look(self._is_job_over):
                self._stop_listening()
            return
        except RunnerTimeoutError as error:
            self.trouble = str(error)
            return
        self.trouble = ""
        try:
            await _carry(reader, writer, leg)
        finally:
            leg.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, leg: Leg) -> None:
    """Carry bytes both ways until either end hangs up."""

    async def there() -> None:
        while data := await reader.read(_READ_SIZE):
            await leg.send(data)

    async def back() -> None:
        while data := await leg.receive():
            writer.write(data)
            await writer.drain()
            leg.took(len(data))

    ways = [asyncio.create_task(there()), asyncio.create_task(back())]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        with contextlib.suppress(ConnectionError):
            for result in await asyncio.gather(*ways, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                    _log.warning("a connection to where a job runs ended: %s", result)
