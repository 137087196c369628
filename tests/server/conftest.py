"""Clients of the MCP server: in memory, over stdio and over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.nursery.starts import program
from tests.server.calls import Caller


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
