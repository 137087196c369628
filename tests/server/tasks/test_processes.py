"""Tasks over the boundaries of processes: a server that is killed, and HTTP with its token."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from mcp_background_job.server.fastmcp_names import HEADER_MISMATCH
from tests.nursery.starts import program
from tests.patience import PATIENCE_S, wait_until
from tests.ports import lasting_ports
from tests.server.tasks.tasking import EXTENSION, MODERN, tasking

pytestmark = pytest.mark.real_process


@pytest.fixture
def serves(state_dir: str, tmp_path: Path) -> Callable[[], StdioTransport]:
    """What starts a server of its own each time, whose pid is written down."""

    def start() -> StdioTransport:
        command = f"echo $$ > {tmp_path}/pid; exec {sys.executable} -m mcp_background_job"
        environment = {**os.environ, "MCP_BG_STATE_DIR": state_dir}
        return StdioTransport("sh", ["-c", command], env=environment, keep_alive=False)

    return start


async def test_a_task_of_a_server_that_was_killed_is_answered_by_the_next(
    serves: Callable[[], StdioTransport], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    async with tasking(serves()) as client:
        works = await client.start("execute_command", command=f"read go < {gate}; exit 3", wait_s=0)
        stops = await client.start("execute_command", command="sleep 600", wait_s=0)
        waits = await client.start("wait_for_job", job_id=[works, stops], wait_s=0.1)
        await client.ask("tasks/cancel", stops)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    gate.write_text("go\n")
    async with tasking(serves()) as client:
        failed, waited = await client.end(works), await client.end(waits)
        assert (failed["status"], failed["result"]["structuredContent"]["exit_code"]) == ("completed", 3)
        assert (await client.end(stops))["status"] == "cancelled"
        rows = {row["job_id"]: row["status"] for row in waited["result"]["structuredContent"]["jobs"]}
        assert rows == {works: "failed", stops: "killed"}


@pytest.fixture
def url(state_dir: str) -> Generator[str]:
    """Where a server listens whose token is ``secret``."""
    (port,) = lasting_ports(1)
    environment = {**os.environ, "MCP_BG_STATE_DIR": state_dir, "MCP_BG_HTTP_TOKEN": "secret"}
    command = program("serve", "--http", "--port", str(port))
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), "the server listens")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE_S)


async def test_over_http_a_header_that_names_another_task_is_refused(url: str) -> None:
    async with tasking(StreamableHttpTransport(url, auth="secret")) as client:
        task_id = await client.start("execute_command", command="sleep 600", wait_s=0)
        assert (await client.get(task_id))["status"] == "working"  # with the right header
        assert (await _ask(url, task_id, name="jother"))["error"]["code"] == HEADER_MISMATCH
        assert (await _ask(url, task_id, name=task_id))["result"]["status"] == "working"
        await client.ask("tasks/cancel", task_id)
        assert (await client.end(task_id))["status"] == "cancelled"


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


async def _ask(url: str, task_id: str, *, name: str) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}},
    }
    request: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tasks/get",
        "params": {"taskId": task_id, "_meta": meta},
    }
    headers = {
        "Authorization": "Bearer secret",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tasks/get",
        "Mcp-Name": name,
    }
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as client:
        text = (await client.post(url, json=request, headers=headers)).text
    data = text.partition("data: ")[2].splitlines()[0] if text.startswith(("event:", "data:")) else text
    return json.loads(data)
