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

#: Seconds: srun takes a third of one. A busy or missing controller makes it wait, of which it says nothing at first.
_START_S = 15.0

#: Seconds: srun ends within a fraction of one after its stdin, unless the controller is gone.
_END_S = 3.0

#: Seconds for one that has started nothing: whoever waited for it gave up, because of the controller most often.
_GIVE_UP_S = 0.3

#: The most bytes of a line, which is a runner's answer: 1,000 pids and 20 command lines.
_MAX_LINE = 1024 * 1024

#: srun's words about a job that is over.
_OVER = ("invalid job id", "already completing or completed", "expired", "job has finished")

#: Characters of srun's own words in an error.
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
        """Start a relay by a command line, and wait until it is up.

        Raises:
            NoRunnerError: the job is over.
            RunnerTimeoutError: srun does not start it.
        """
        near, far = socket.socketpair()
        with far:
            near.setblocking(False)  # noqa: FBT003  its only form
            starting = asyncio.ensure_future(lanes.lasting(_Process, argv, environment, far))
            try:
                process = await asyncio.shield(starting)
            except BaseException as error:
                near.close()
                if isinstance(error, asyncio.CancelledError):  # it is started all the same
                    await lanes.lasting((await starting).end, _GIVE_UP_S)
                raise
        reader, writer = await asyncio.open_unix_connection(sock=near, limit=_MAX_LINE)
        try:
            await _greeted(reader, process)
        except BaseException:
            writer.close()
            await lanes.lasting(process.end, _GIVE_UP_S)
            raise
        return cls(process, reader, writer, kept_s)

    def open(self) -> tuple[asyncio.StreamReader, _Outlet]:
        """Open a connection; if it cannot reach the runner, it ends at once."""
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
        """Carry one line of a connection, including its newline."""
        if not self.is_over:
            self._writer.write(number + b" " + data)

    async def drain(self) -> None:
        """Wait while too many bytes are under way."""
        await self._writer.drain()

    def hang_up(self, number: bytes) -> None:
        """Close a connection."""
        if self._clients.pop(number, None) and not self.is_over:
            self._writer.write(number + b"\n")
        if not self._clients:
            self._wait_for_clients()

    async def close(self) -> None:
        """End the relay and all its connections."""
        self.give_up()
        await self._carrying

    def _wait_for_clients(self) -> None:
        if not self.is_over and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(self._kept_s, self.give_up)

    def give_up(self) -> None:
        """End the relay and all its connections, without waiting for that."""
        if self._idle:
            self._idle.cancel()
        self.is_over = True
        # The far end ends with its stdin, then srun, then we. Bytes that srun has not taken by now, such as those for a
        # node that is off, are not waited for: nothing would end that wait.
        self._writer.transport.abort()

    async def _carry(self) -> None:
        with contextlib.suppress(ConnectionError, ValueError):  # srun was killed, or printed something else
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
        await lanes.lasting(self._process.end, _END_S)


async def _greeted(reader: asyncio.StreamReader, process: _Process) -> None:
    try:
        async with asyncio.timeout(_START_S):
            while (line := await reader.readline()).rstrip(b"\n") != GREETING:
                if not line:
                    raise process.failure()
    except TimeoutError as error:
        raise RunnerTimeoutError(f"srun has started nothing within {_START_S:g} s") from error


class _Outlet:
    """Carries the lines of one connection."""

    def __init__(self, relay: Relay, number: bytes) -> None:
        self._relay = relay
        self._number = number

    def write(self, data: bytes) -> None:
        """Take one line."""
        self._relay.write(self._number, data)

    async def drain(self) -> None:
        """Wait while too many bytes are under way."""
        await self._relay.drain()

    def close(self) -> None:
        """Close the connection."""
        self._relay.hang_up(self._number)

    async def wait_closed(self) -> None:
        """Do nothing: there is nothing to wait for."""


class _Process:
    """A process of srun. All methods may block."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], socket_: socket.socket) -> None:
        """Start it.

        Raises:
            RunnerTimeoutError: there is no such program.
        """
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  it is open as long as the process lives
        try:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                stdin=socket_.fileno(),
                stdout=socket_.fileno(),
                stderr=self._words,
                start_new_session=True,  # ctrl-c on our terminal does not reach it
            )
        except OSError as error:
            self._words.close()
            raise RunnerTimeoutError(f"{argv[0]} cannot be run: {error.strerror}") from error

    def failure(self) -> Exception:
        """Return the error for a process that has ended without starting anything."""
        self._words.seek(0)
        words = self._words.read(_TOLD * 10).decode(errors="replace")
        told = "; ".join(dict.fromkeys(line.split("error: ")[-1].strip() for line in words.splitlines()))[:_TOLD]
        kind = NoRunnerError if any(part in words.lower() for part in _OVER) else RunnerTimeoutError
        return kind(f"srun has started nothing: {told or 'it gives no reason'}")

    def end(self, patience_s: float) -> None:
        """Wait for the process, which is ending; kill it if it does not end."""
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._words.close()
