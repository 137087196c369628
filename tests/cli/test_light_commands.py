"""A command for jobs loads nothing that takes long to load: agents run many commands, each in a process of its own."""

from __future__ import annotations

import re
import socket
import subprocess
import sys

import pytest

from tests.cli.command_line import CommandLine
from tests.patience import PATIENCE_S, WAIT

#: What asyncio and its kind bring; who only reads files starts no loop.
WAITING = {"asyncio", "concurrent", "logging", "ssl"}

#: Libraries that are slow to load, and that these commands can do without.
HEAVY = {
    "acp",
    "attr",
    "cyclopts",
    "fastmcp",
    "httpx2",
    "mcp",
    "psutil",
    "pydantic",
    "pydantic_settings",
    "regex",
    "rich",
    "textual",
    "websockets",
}


def loaded_by(cli: CommandLine, *arguments: str) -> set[str]:
    argv = [sys.executable, "-X", "importtime", "-m", "mcp_background_job", *arguments]
    done = subprocess.run(
        argv, capture_output=True, text=True, env=cli.environment, timeout=PATIENCE_S, check=True, input="{}"
    )
    return set(re.findall(r"\| +([a-z0-9_]+)$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize("command", ["list", "status", "logs", "wait", "kill", "run"])
def test_a_command_for_jobs_loads_nothing_heavy(cli: CommandLine, command: str) -> None:
    job = cli.start("--", "echo done")
    cli.ok("wait", job, "--timeout", WAIT)

    loaded = loaded_by(cli, command, *{"list": [], "run": ["--", "true"]}.get(command, [job]))

    assert "dataclasses" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("command", ["list", "status", "logs", "wait"])
def test_who_looks_at_what_has_ended_does_without_an_event_loop(cli: CommandLine, command: str) -> None:
    job = cli.start("--", "echo done")
    cli.ok("wait", job, "--timeout", WAIT)

    loaded = loaded_by(cli, command, *([] if command == "list" else [job]))

    assert "dataclasses" in loaded
    assert not loaded & WAITING


def test_a_list_and_a_status_of_a_running_job_do_without_an_event_loop(cli: CommandLine) -> None:
    job = cli.start("--", "sleep 600")

    assert not loaded_by(cli, "list") & WAITING
    assert not loaded_by(cli, "status", job) & WAITING
    cli.ok("kill", job)


def test_a_job_is_started_without_an_event_loop(cli: CommandLine) -> None:
    assert not loaded_by(cli, "run", "--name", "dev", "--", "true") & WAITING


def test_the_page_is_served_without_what_serves_mcp(cli: CommandLine) -> None:
    cli.start("--", "true")
    with socket.create_server(("127.0.0.1", 0)) as served:
        port = str(served.getsockname()[1])
        loaded = loaded_by(cli, "dashboard", "--link", "--no-open", "--port", port)

    assert "uvicorn" in loaded
    assert not loaded & {"fastmcp", "mcp"}


def test_a_hook_with_nothing_to_wait_for_loads_next_to_nothing(cli: CommandLine) -> None:
    cli.start("--", "true")

    loaded = loaded_by(cli, "hook", "stop", "--client", "codex")

    assert not loaded & {*HEAVY, "asyncio"}
