"""MCP Inspector, as people use it in a shell, against the real server over HTTP: ``make test-conformance``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.conformance.conftest import TOKEN
from tests.patience import PATIENCE_S, wait_until

pytestmark = pytest.mark.conformance

ERAS = ["legacy", "modern"]


@pytest.fixture
def environment(modules: Path) -> Generator[dict[str, str]]:
    """That of the Inspector's programs: the node that they need, and a home and a daemon of their own."""
    if not shutil.which("mcpdo", path=str(_programs())):
        pytest.skip("npm is missing or cannot download: make test-conformance has not installed the Inspector")
    # Short, since sockets are in it.
    with tempfile.TemporaryDirectory(prefix="mcpdo") as home:
        yield {
            "HOME": home,
            "PATH": f"{modules / 'node/bin'}:{_programs()}:{os.environ['PATH']}",
            "MCP_INSPECTOR_SECRET_STORE": "memory",
            "MCP_INSPECTOR_DAEMON_DIR": home,
            "MCP_INSPECTOR_DAEMON_TOKEN": "of this test",
        }


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def mcpdo(environment: dict[str, str], url: str, era: str) -> Generator[list[str]]:
    """What begins a command that goes to a connection of an era."""
    config = Path(environment["HOME"]) / "servers.json"
    server = {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {TOKEN}"}, "protocolEra": era}
    config.write_text(json.dumps({"mcpServers": {"jobs": server}}))
    try:
        _say(environment, "mcpdo", "--config", str(config), "connect", "jobs")
        yield ["mcpdo", "--connection", "jobs", "--format", "json"]
    finally:
        _say(environment, "mcpdo", "daemon", "stop")
        daemon = Path(environment["HOME"]) / "mcpdod.sock"
        wait_until(lambda: not daemon.exists(), "the daemon of mcpdo is gone")


def test_the_inspector_finds_all_tools_portable(url: str, environment: dict[str, str], era: str) -> None:
    listed = _say(
        environment, "mcp-inspector", "--cli", url, "--transport", "http", "--header", f"Authorization: Bearer {TOKEN}",
        "--protocol-era", era, "--method", "tools/list", "--strict", "--format", "json", "-q",
    )  # fmt: skip
    assert "execute_command" in {tool["name"] for tool in json.loads(listed)["result"]["tools"]}


def test_mcpdo_follows_what_it_starts(environment: dict[str, str], mcpdo: list[str], era: str) -> None:
    with _followed(environment, [*mcpdo, "resources/subscribe", "jobs://"]) as told:
        assert next(told)["type"] == "subscribed"
        said = _say(environment, *mcpdo, "tools/call", "execute_command", "command:=sleep 1; echo done", "wait_s:=0")
        result = json.loads(said)["structuredContent"]
        assert "updated" in next(told)["type"].lower()
    if era == "modern":  # there the call has become a task, which mcpdo has waited for
        assert result["status"] == "completed"
        task = json.loads(_say(environment, *mcpdo, "tasks/get", result["job_id"]))["task"]
        assert (task["status"], task["raw"]["result"]["structuredContent"]["output"]) == ("completed", "done")
    else:
        assert result["status"] == "running"


@contextmanager
def _followed(environment: dict[str, str], command: list[str]) -> Generator[Iterator[dict[str, Any]]]:
    """Have what a command prints for as long as it runs, one object after the other."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        try:
            yield _objects(follower.stdout)
        finally:
            follower.terminate()


def _objects(lines: IO[str]) -> Iterator[dict[str, Any]]:
    text = ""
    for line in lines:
        text += line
        if line.startswith("}"):
            yield json.loads(text)
            text = ""


def _programs() -> Path:
    return Path(os.environ.get("INSPECTOR", "/nowhere")) / "node_modules/.bin"


def _say(environment: dict[str, str], *command: str) -> str:
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
