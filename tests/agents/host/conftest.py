"""Fixtures: hosts that are ended when the test is, a real ACP agent, and a real A2A agent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.adapters.acp import ADAPTER as ACP
from tests.agents.host.driver import Host
from tests.conftest import Liveness

AGENT = Path(__file__).with_name("acp_agent.py")


@pytest.fixture
def hosts() -> Generator[list[Host]]:
    """Hosts that were started; none outlives the test."""
    hosts: list[Host] = []
    yield hosts
    for host in hosts:
        host.close()


@pytest.fixture
def start_acp(hosts: list[Host], tmp_path: Path) -> Callable[..., Host]:
    """Start a host with any program as its agent."""

    def start(prompt: str, command: list[str], resume: str | None = None, **config: Any) -> Host:
        host = Host(ACP, tmp_path / f"run{len(hosts)}", prompt, resume, {"command": command, **config})
        hosts.append(host)
        return host

    return start


@pytest.fixture
def start_agent(start_acp: Callable[..., Host]) -> Callable[..., Host]:
    """Start a host with the scripted agent."""

    def start(prompt: str, *flags: str, **config: Any) -> Host:
        return start_acp(prompt, [sys.executable, str(AGENT), *flags], **config)

    return start


@pytest.fixture
def start_program(start_acp: Callable[..., Host], liveness: Liveness) -> Callable[..., Host]:
    """Start a host with a program of these lines of Python, which ends when the test does."""

    def start(body: str, prompt: str = "echo hello") -> Host:
        return start_acp(prompt, liveness.script("agent", body).split())

    return start
