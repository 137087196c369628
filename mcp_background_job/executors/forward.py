"""A port on this machine's loopback that leads to a port where a job runs, for this process alone.

Each process makes its own, so none depends on another's life. The port ends with the job: later connections would reach
whatever listens on the node then.
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

#: The most connections at once; a client of ComfyUI has fewer than ten.
MOST = 32

_READ_SIZE = 48 * 1024


class Leg(Protocol):
    """One connection to a port where the job runs."""

    async def send(self, data: bytes) -> None:
        """Send bytes, once there is room.

        Raises:
            ConnectionError: the connection has ended.
        """
        ...

    async def receive(self) -> bytes:
        """Return the received bytes; empty once the connection has ended."""
        ...

    def took(self, size: int) -> None:
        """Allow as many further bytes: so many were passed on."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


@runtime_checkable
class Forwarding(Protocol):
    """A place on other machines that can reach the ports of its jobs."""

    async def leg(self, job_id: str, port: int) -> Leg:
        """Connect to a port of 127.0.0.1 on the machine where a job runs.

        Raises:
            NoRunnerError: the job does not run.
            RunnerTimeoutError: the machine cannot be reached.
        """
        ...


class Forward:
    """One port on this machine. Its number is known at once; it accepts connections once started."""

    def __init__(self, reach: Callable[[], Awaitable[Leg]], is_over: Callable[[], bool]) -> None:
        """Takes a function that connects to the job (see ``Forwarding.leg``), and one that tells whether it is over."""
        self._reach = reach
        self._is_job_over = is_over
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._is_over = False
        #: Why the last connection could not be made; empty if it was made.
        self.trouble = ""

    async def start(self) -> None:
        """Accept connections from now on."""
        if self._server is None and not self._is_over:
            self._server = await asyncio.start_server(self._accept, sock=self._socket, limit=_READ_SIZE)

    async def close(self) -> None:
        """Accept no more connections, and end the existing ones."""
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
        # Our own task: once cancelled, asyncio's task would print that on stderr (Python 3.11).
        task = asyncio.create_task(self._served(reader, writer), name=f"a connection to port {self.port}")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except ConnectionError:  # the peer sees the end of the connection
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        # Any user of this machine can connect to its loopback, so others are refused.
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
    """Carry bytes in both directions until either end closes."""

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
