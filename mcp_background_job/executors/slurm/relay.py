"""The near end of a relay: a process of ``srun``, and the connections that it carries (``runner.node.relay``)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO, Self

from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.address import GREETING
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError

#: srun takes a third of a second; a controller that is busy or gone makes it wait, of which it says nothing at first.
_START_S = 15.0

#: srun ends with its stdin within a fraction of a second, unless the controller is gone.
_END_S = 3.0

#: A line is an answer of a runner, at most: 1,000 pids and 20 command lines.
_MAX_LINE = 1024 * 1024

#: srun says so of a job that is over.
_OVER = ("invalid job id", "already completing or completed", "expired", "job has finished")

#: Characters of srun's own words that an error repeats.
_TOLD = 300


class Relay:
    """Carries any number of connections to one runner."""

    def __init__(
        self, process: _Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept_s: float
    ) -> None:
        """Use ``start``."""
        self.is_over = False
        self._process = process
        self._reader = reader
        self._writer = writer
        self._kept_s = kept_s
        self._clients: dict[bytes, asyncio.StreamReader] = {}
        self._next = 0
        self._carrying = asyncio.create_task(self._carry())
        self._idle: asyncio.TimerHandle | None = None
        self._wait_for_clients()

    @classmethod
    async def start(cls, argv: Sequence[str], environment: dict[str, str], *, kept_s: float) -> Self:
        """Start a relay by a command line, and wait until it is there.

        Raises:
            NoRunnerError: the job is over.
            RunnerTimeoutError: srun does not start it.
        """
        near, far = socket.socketpair()
        with far:
            near.setblocking(False)  # noqa: FBT003  its only form
            try:
                process = await lanes.lasting(_Process, argv, environment, far)
            except BaseException:
                near.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=near, limit=_MAX_LINE)
        try:
            await _greeted(reader, process)
        except BaseException:
            writer.close()
            await lanes.lasting(process.end)
            raise
        return cls(process, reader, writer, kept_s)

    def open(self) -> tuple[asyncio.StreamReader, _Outlet]:
        """Open a connection; what cannot reach the runner ends at once."""
        if self._idle:
            self._idle.cancel()
            self._idle = None
        self._next += 1
        number = str(self._next).encode()
        reader = self._clients[number] = asyncio.StreamReader(limit=_MAX_LINE)
        if self.is_over:
            reader.feed_eof()
        return reader, _Outlet(self, number)

    def write(self, number: bytes, data: bytes) -> None:
        """Carry a line of a connection, with its end."""
        if not self.is_over:
            self._writer.write(number + b" " + data)

    async def drain(self) -> None:
        """Wait while too much is on its way."""
        await self._writer.drain()

    def hang_up(self, number: bytes) -> None:
        """End a connection."""
        if self._clients.pop(number, None) and not self.is_over:
            self._writer.write(number + b"\n")
        if not self._clients:
            self._wait_for_clients()

    async def close(self) -> None:
        """End the relay, and all that it carries."""
        self.give_up()
        await self._carrying

    def _wait_for_clients(self) -> None:
        if not self.is_over and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(self._kept_s, self.give_up)

    def give_up(self) -> None:
        """End the relay, and all that it carries, without waiting for that."""
        if self._idle:
            self._idle.cancel()
        self.is_over = True
        # The far end ends with its stdin, and so does srun, and so do we. What srun has not taken by now, as that of a
        # node which is off, is not waited for: nobody would end that.
        self._writer.transport.abort()

    async def _carry(self) -> None:
        with contextlib.suppress(ConnectionError, ValueError):  # srun was killed; or what it says is nothing of ours
            while line := await self._reader.readline():
                number, blank, said = line.partition(b" ")
                if blank:
                    if client := self._clients.get(number):
                        client.feed_data(said)
                elif client := self._clients.pop(number.rstrip(b"\n"), None):
                    client.feed_eof()
        self.give_up()
        for client in self._clients.values():
            client.feed_eof()
        self._clients.clear()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await lanes.lasting(self._process.end)


async def _greeted(reader: asyncio.StreamReader, process: _Process) -> None:
    try:
        async with asyncio.timeout(_START_S):
            while (line := await reader.readline()).rstrip(b"\n") != GREETING:
                if not line:
                    raise process.failure()
    except TimeoutError as error:
        raise RunnerTimeoutError(f"srun has started nothing within {_START_S:g} s") from error


class _Outlet:
    """What carries the lines of one connection."""

    def __init__(self, relay: Relay, number: bytes) -> None:
        self._relay = relay
        self._number = number

    def write(self, data: bytes) -> None:
        """Take one line."""
        self._relay.write(self._number, data)

    async def drain(self) -> None:
        """Wait while too much is on its way."""
        await self._relay.drain()

    def close(self) -> None:
        """Hang up."""
        self._relay.hang_up(self._number)

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""


class _Process:
    """A process of srun. All its methods may wait."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], socket_: socket.socket) -> None:
        """Start it.

        Raises:
            RunnerTimeoutError: there is no such program.
        """
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  its life is that of the process
        try:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                stdin=socket_.fileno(),
                stdout=socket_.fileno(),
                stderr=self._words,
                start_new_session=True,  # ctrl-c on our terminal is not for it
            )
        except OSError as error:
            self._words.close()
            raise RunnerTimeoutError(f"{argv[0]} cannot be run: {error.strerror}") from error

    def failure(self) -> Exception:
        """Return why it has ended without having started anything."""
        self._words.seek(0)
        words = self._words.read(_TOLD * 10).decode(errors="replace")
        told = "; ".join(dict.fromkeys(line.split("error: ")[-1].strip() for line in words.splitlines()))[:_TOLD]
        kind = NoRunnerError if any(part in words.lower() for part in _OVER) else RunnerTimeoutError
        return kind(f"srun has started nothing: {told or 'it gives no reason'}")

    def end(self) -> None:
        """Wait for its end, which has begun, or else kill it."""
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._words.close()
