"""What is followed over the pipes of a server process, and over HTTP."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from tests.nursery.starts import program
from tests.server.calls import Caller
from tests.server.served import HttpServer
from tests.server.subscriptions.followers import LEGACY, MODERN, Follower, connected, following

pytestmark = pytest.mark.real_process


async def _prints_and_ends(follower: Follower, directory: Path) -> str:
    """Start a job that waits for two files: it prints upon the first, and ends upon the second."""
    command = "; ".join(
        f"until [ -e '{directory / name}' ]; do sleep 0.05; done; {then}"
        for name, then in (("print", "echo one"), ("end", "exit 3"))
    )
    return (await Caller(follower.client).facts("execute_command", command=command, wait_s=0))["job_id"]


async def test_over_stdio_what_a_job_prints_is_told_and_then_its_end(state_dir: str, tmp_path: Path) -> None:
    python, *arguments = program()
    transport = StdioTransport(python, arguments, env={**os.environ, "MCP_BG_STATE_DIR": state_dir})
    async with connected(transport, LEGACY) as follower:
        log = f"job://{await _prints_and_ends(follower, tmp_path)}/log"
        async with following(follower, [log]):
            (tmp_path / "print").touch()
            await follower.hears(log)
            (tmp_path / "end").touch()
            await follower.hears(log, 2)


async def test_over_http_two_clients_of_two_eras_follow_one_job(http_server: HttpServer, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        followers: list[Follower] = []
        for era in (LEGACY, MODERN):
            transport = StreamableHttpTransport(http_server.url, auth=http_server.token)
            followers.append(await stack.enter_async_context(connected(transport, era)))
        log = f"job://{await _prints_and_ends(followers[0], tmp_path)}/log"
        for follower in followers:
            await stack.enter_async_context(following(follower, [log]))
        for times, name in enumerate(("print", "end"), 1):
            (tmp_path / name).touch()
            for follower in followers:
                await follower.hears(log, times)
