"""A port here that leads to a port where a job runs, with the real far end in a process of its own, and no engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from mcp_background_job.executors.forward import Forward
from mcp_background_job.executors.slurm.leg import WINDOW, Leg
from mcp_background_job.executors.slurm.relay import Relay
from mcp_background_job.jobdir.address import GREETING
from mcp_background_job.jobdir.control import NoRunnerError
from mcp_background_job.runner.node import forwarding
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process

FAR_END = "import sys; from mcp_background_job.runner.node import forwarding; forwarding.serve(int(sys.argv[1]))"

#: More than is on its way at once.
LARGE = os.urandom(3 * WINDOW + 17)


@contextlib.asynccontextmanager
async def serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[int]:
    """Serve on a port, as a program of a job does."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def forward_to(port: int) -> AsyncGenerator[Forward]:
    """Have a port here lead to one there."""
    relay = await Relay.start([sys.executable, "-P", "-c", FAR_END, str(port)], dict(os.environ), kept_s=PATIENCE_S)

    async def reach() -> Leg:
        return Leg(*relay.open())

    forward = Forward(reach, lambda: False)
    await forward.start()
    try:
        yield forward
    finally:
        await forward.close()
        await relay.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _talk(port: int, data: bytes) -> bytes:
    """Send bytes, and return as many that come back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            writer.write(data)
            return await reader.readexactly(len(data))
    finally:
        writer.close()


async def test_bytes_come_through_both_ways_on_several_connections_at_once() -> None:
    async with serving(_echo) as port, forward_to(port) as forward:
        sent = [LARGE, b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 500]
        assert await asyncio.gather(*(_talk(forward.port, data) for data in sent)) == sent


async def test_a_connection_that_nobody_reads_holds_up_no_other() -> None:
    async with serving(_echo) as port, forward_to(port) as forward:
        _, deaf = await asyncio.open_connection("127.0.0.1", forward.port)
        deaf.write(LARGE)
        try:
            assert await _talk(forward.port, b"hello") == b"hello"
        finally:
            deaf.transport.abort()


async def test_what_hangs_up_there_hangs_up_here() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(3))
        await writer.drain()

    async with serving(once) as port, forward_to(port) as forward:
        reader, writer = await asyncio.open_connection("127.0.0.1", forward.port)
        writer.write(b"abc")
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b"abc"
        writer.close()


async def test_another_process_is_not_let_in() -> None:
    asks = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.sendall(b'x'); "
    async with serving(_echo) as port, forward_to(port) as forward:
        stranger = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", asks + "print(s.recv(9))", str(forward.port)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE_S):
            answer, _ = await stranger.communicate()
        assert b"x" not in answer.replace(b"b''", b"")


async def test_where_nobody_listens_the_connection_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with forward_to(port) as forward:
        reader, writer = await asyncio.open_connection("127.0.0.1", forward.port)
        writer.write(b"x")
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()


async def test_it_ends_with_the_job() -> None:
    async def gone() -> Leg:
        raise NoRunnerError("it is over")

    forward = Forward(gone, lambda: True)
    await forward.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", forward.port)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", forward.port)
    await forward.close()


async def test_a_far_end_that_takes_nothing_any_more_is_not_waited_for() -> None:
    deaf = f"import time; print({GREETING.decode()!r}, flush=True); time.sleep(1000)"
    relay = await Relay.start([sys.executable, "-I", "-c", deaf], dict(os.environ), kept_s=PATIENCE_S)
    _, outlet = relay.open()
    outlet.write(LARGE + LARGE + b"\n")
    async with asyncio.timeout(PATIENCE_S):
        await relay.close()


def test_only_what_our_user_listens_on_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        assert forwarding.is_ours(port)
    assert not forwarding.is_ours(port)
