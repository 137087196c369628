"""Clients of the MCP server: in memory, over stdio and over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.nursery.starts import program
from tests.patience import PATIENCE_S, wait_until
from tests.ports import lasting_ports
from tests.server.calls import Caller
from tests.server.served import HttpServer


@pytest.fixture
async def client(manager: JobManager) -> AsyncGenerator[Caller]:
    """A client of a server in this process."""
    async with Client(build_server(manager, load_settings())) as client:
        yield Caller(client)


@pytest.fixture
async def stdio_client(state_dir: str) -> AsyncGenerator[Caller]:
    """A client of a real server process, over its stdin and stdout."""
    environment = {**os.environ, "MCP_BG_STATE_DIR": state_dir}
    python, *arguments = program()
    transport = StdioTransport(python, arguments, env=environment)
    async with Client(transport) as client:
        yield Caller(client)


@pytest.fixture
def http_options() -> tuple[str, ...]:
    """Further options of ``serve --http``; a test gives its own as a parameter."""
    return ()


@pytest.fixture
def http_server(state_dir: str, http_options: tuple[str, ...]) -> Generator[HttpServer]:
    """``serve --http`` on a free port of the loopback interface."""
    (port,) = lasting_ports(1)
    process = subprocess.Popen(
        program("serve", "--http", "--port", str(port), *http_options),
        env={**os.environ, "MCP_BG_STATE_DIR": state_dir},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        said = process.stderr.readline() + process.stderr.readline()
        _await_port(port, process)
        token = (Path(state_dir) / "http-token").read_text().strip()
        yield HttpServer(f"http://127.0.0.1:{port}/mcp", token, said)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
        process.stderr.close()


def _await_port(port: int, process: subprocess.Popen[str]) -> None:
    # The kernel announces no listener, but it announces the server's end.
    def listens() -> bool:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens, "the server listens")
