"""Which clients have the server, and whether it answers."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.install import reaching
from mcp_background_job.install.clients import Machine, Name, client
from mcp_background_job.install.reaching import look
from tests.install.conftest import Home

#: A server of two tools: it answers line by line, after a line that is a notification.
_SERVER = """
import json, os, sys
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        print('{"jsonrpc": "2.0", "method": "notifications/message"}')
        result = {"tools": [{}, {}]} if asked["method"] == "tools/list" else {}
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


@pytest.fixture
def home(home: Home, tmp_path: Path) -> Home:
    machine = Machine(home.machine.home, {"PATH": os.environ["PATH"], "PIDS": str(tmp_path / "pids")}, "linux")
    return Home(machine, home.records)


async def test_a_server_that_several_clients_share_is_started_once_and_ended(home: Home, tmp_path: Path) -> None:
    names: tuple[Name, ...] = ("codex", "opencode", "zed")
    for name in names:
        home.install(client(name), command=[sys.executable, "-c", _SERVER])
    home.install(client("cursor"), project=tmp_path, command=[sys.executable, "-c", _SERVER])
    found = await look(home.machine, tmp_path)
    assert [(one.client, one.tools, one.why) for one in found] == [
        (name, 2, "") for name in ("codex", "opencode", "zed", "cursor")
    ]
    [pid] = (tmp_path / "pids").read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


async def test_what_a_repository_brought_is_not_started(home: Home, tmp_path: Path) -> None:
    home.install(client("claude-code"), project=tmp_path, command=[sys.executable, "-c", _SERVER])
    [found] = await look(home.machine, tmp_path)
    assert (found.tools, found.why) == (None, "")
    assert not (tmp_path / "pids").exists()


async def test_a_command_line_may_be_anything(home: Home, tmp_path: Path) -> None:
    entries: tuple[tuple[Name, Any], ...] = (
        ("cursor", {"command": 5, "args": 6, "env": 7}),
        ("opencode", {"command": "x"}),
    )
    for name, entry in entries:
        path = client(name).file(home.machine, None)
        assert path
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"mcp" if name == "opencode" else "mcpServers": {"background-job": entry}}))
    found = await look(home.machine, tmp_path)
    assert [one.command for one in found] == [[], ["x"]]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/nowhere/at/all", "it cannot be started: No such file or directory"),
        ("true", "it ended, or wrote something other than MCP"),
        ("echo hello", "it ended, or wrote something other than MCP"),
        ("echo 1", "it ended, or wrote something other than MCP"),
    ],
)
async def test_why_a_server_is_not_reached_is_said(home: Home, tmp_path: Path, command: str, why: str) -> None:
    home.install(client("gemini"), command=shlex.split(command))
    [found] = await look(home.machine, tmp_path)
    assert (found.tools, found.why) == (None, why)


async def test_one_that_does_not_answer_is_killed(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "_HANDSHAKE_S", 0.2)
    monkeypatch.setattr(reaching, "_END_S", 0.2)
    home.install(client("gemini"), command=["sleep", "1000"])
    [found] = await look(home.machine, tmp_path)
    assert found.why == "it did not answer within 0.2 s"


async def test_files_without_it_and_files_that_cannot_be_read(home: Home, tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"other": {"command": "false"}}}))
    broken = tmp_path / ".cursor" / "mcp.json"
    broken.parent.mkdir()
    broken.write_text("{")
    [found] = await look(home.machine, tmp_path)
    assert (found.client, found.path, found.tools) == ("cursor", str(broken), None)
    assert "cannot be read: line 1 should have" in found.why
