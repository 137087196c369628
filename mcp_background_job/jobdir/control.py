"""Talks to a runner over its ``control.sock``.

Callers that need only the errors below load no asyncio.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import StopRequest

if TYPE_CHECKING:
    import asyncio

#: Seconds. A runner answers at once, even while it moves gigabytes. If it is silent for this long, it is stopped or
#: stuck.
ANSWER_TIMEOUT_S = 3.0

#: Seconds. A caller that only looks has other facts to show if the runner is stopped or stuck, so it waits only
#: briefly.
LOOK_TIMEOUT_S = 0.5


_READ_SIZE = 65536


class NoRunnerError(Exception):
    """No process listens on the socket: the job is not running yet, or it has just ended."""


class RunnerTimeoutError(Exception):
    """The runner took the connection and does not answer."""


class UnknownRequestError(Exception):
    """The runner does not know this request: it is of another release, or its system cannot answer it."""


@frozen
class News:
    """News of a watched job: the size of its log, and whether the command itself is over."""

    size: int
    leader_exited: bool


class Outlet(Protocol):
    """Carries lines to a runner: a ``StreamWriter``, or a substitute."""

    def write(self, data: bytes) -> None:
        """Take bytes to send."""
        ...

    async def drain(self) -> None:
        """Wait while too many bytes are unsent."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        ...


class RunnerClient:
    """One connection to a runner. If it ends without an answer, the job is over."""

    def __init__(self, reader: asyncio.StreamReader, writer: Outlet) -> None:
        """Takes both directions of the connection; see also ``over``."""
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> Self:
        """Talk to a runner over a socket from ``connected``."""
        import asyncio  # noqa: PLC0415  see the top

        reader, writer = await asyncio.open_unix_connection(sock=sock)
        return cls(reader, writer)

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def watch(self, size: int, *, leader_exited: bool) -> News | None:
        """Wait until the log is larger than ``size`` or the command has ended; ``None`` if the job is over."""
        self.ask_for_news(size, leader_exited=leader_exited)
        return await self.news()

    def ask_for_news(self, size: int, *, leader_exited: bool) -> None:
        """Ask for one report of what ``watch`` waits for; a later request replaces this one."""
        # The line fits into any socket, so there is no wait. A reader will see the end of the job.
        self._writer.write(_line({"op": "watch", "size": size, "leader_exited": leader_exited}))

    async def news(self) -> News | None:
        """Wait for the answer to ``ask_for_news``; ``None`` if the job is over. May be cancelled, and called again."""
        answer = await self._receive()
        return None if answer is None else News(int(answer["size"]), bool(answer["leader_exited"]))

    async def ended(self) -> None:
        """Wait until the job is over, and skip answers."""
        while await self._receive() is not None:
            pass

    async def stop(self, request: StopRequest) -> bool:
        """Ask for the job to be stopped; returns whether a runner received that.

        Raises:
            RunnerTimeoutError: the runner did not answer.
        """
        return await self.ask({"op": "stop", **vars(request)}) is not None

    async def outcome_of_stop(self) -> list[int]:
        """Wait for the end of a job that was asked to stop; returns pids of processes that survive SIGKILL, if any."""
        while True:
            answer = await self._receive()
            if answer is None:
                return []
            if survivors := answer.get("survivors"):
                return [int(pid) for pid in survivors]

    async def signal(self, number: int) -> bool:
        """Signal the command's process group, as a terminal would; returns whether the command is still there."""
        answer = await self.ask({"op": "signal", "number": number})
        return answer is not None and bool(answer["ok"])

    async def signal_handlers(self, number: int) -> dict[str, Any] | None:
        """Signal the processes of the job that handle a signal; returns the answer, ``None`` if the job is over."""
        return await self.ask({"op": "signal_handlers", "number": number})

    async def send_input(self, data: bytes, *, eof: bool) -> dict[str, Any] | None:
        """Write to the job's stdin; returns the runner's answer, ``None`` if the job is over."""
        return await self.ask({"op": "input", "data": base64.b64encode(data).decode(), "eof": eof})

    async def ask(self, request: dict[str, object], timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any] | None:
        """Send a request; returns the answer, ``None`` if the job is over.

        Raises:
            RunnerTimeoutError: no answer came within ``timeout_s`` seconds.
        """
        import asyncio  # noqa: PLC0415  see the top

        try:
            async with asyncio.timeout(timeout_s):
                await self._send(request)
                return await self._receive()
        except TimeoutError as error:
            raise RunnerTimeoutError(f"no answer within {timeout_s:g} s") from error

    async def _send(self, request: dict[str, object]) -> None:
        self._writer.write(_line(request))
        with contextlib.suppress(ConnectionError):  # the job is over, which the reader will see
            await self._writer.drain()

    async def _receive(self) -> dict[str, Any] | None:
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        return json.loads(line) if line.endswith(b"\n") else None


async def usage(sock: socket.socket, *, pss: bool = False) -> dict[str, Any] | None:
    """Ask for a job's present use, over a socket from ``connected``; returns the answer, ``None`` if the job is over.

    Raises:
        RunnerTimeoutError: the runner did not answer in time.
        UnknownRequestError: its release does not answer this.
    """
    return await _ask_once(sock, {"op": "usage", "pss": pss}, ANSWER_TIMEOUT_S if pss else LOOK_TIMEOUT_S)


async def listens_on(sock: socket.socket, port: int, address: str | None = None) -> bool:
    """Ask, over such a socket, whether a process of a job listens on a TCP port, at an IP address or at any.

    Raises:
        RunnerTimeoutError: the runner did not answer in time.
        UnknownRequestError: its release does not answer this.
    """
    at = {} if address is None else {"address": address}
    answer = await _ask_once(sock, {"op": "port", "port": port, **at}, LOOK_TIMEOUT_S)
    return answer is not None and answer.get("listening") is True


async def waits(sock: socket.socket) -> dict[str, Any] | None:
    """Ask, over such a socket, whether a job waits for input; returns the answer, ``None`` if the job is over.

    Raises:
        RunnerTimeoutError: the runner did not answer in time.
        UnknownRequestError: its release does not answer this.
    """
    return await _ask_once(sock, {"op": "waits"}, LOOK_TIMEOUT_S)


async def _ask_once(sock: socket.socket, request: dict[str, object], timeout_s: float) -> dict[str, Any] | None:
    """Send one request, and close the socket. Streams are not used: to make them costs more than the answer."""
    import asyncio  # noqa: PLC0415  see the top

    loop = asyncio.get_running_loop()
    line = b""
    with sock:
        try:
            async with asyncio.timeout(timeout_s):
                await loop.sock_sendall(sock, _line(request))
                while not line.endswith(b"\n"):
                    part = await loop.sock_recv(sock, _READ_SIZE)
                    if not part:
                        return None
                    line += part
        except TimeoutError as error:
            raise RunnerTimeoutError(f"no answer within {timeout_s:g} s") from error
        except ConnectionError:  # the job is over
            return None
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:  # no request from here is invalid in every release
        raise UnknownRequestError(str(answer["error"]))
    return answer


def _line(request: dict[str, object]) -> bytes:
    return json.dumps(request).encode() + b"\n"


def connected(job: JobDir) -> socket.socket:
    """Return a socket that is connected to the job's runner; opens files, so call it in a thread.

    Raises:
        NoRunnerError: there is no runner.
        RunnerTimeoutError: too many connections wait for the runner.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)  # noqa: FBT003  its only form
    try:
        if sys.platform == "linux":
            # The path may be longer than a socket address (108 bytes). Through a descriptor it is short.
            directory = os.open(job.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sock.connect(f"/proc/self/fd/{directory}/{os.path.basename(job.control)}")
            finally:
                os.close(directory)
        else:
            sock.connect(job.control)
    except BlockingIOError as error:
        sock.close()
        raise RunnerTimeoutError("too many connections wait for the runner") from error
    except OSError as error:
        sock.close()
        raise NoRunnerError(f"{job.control}: {error.strerror}") from error
    return sock
