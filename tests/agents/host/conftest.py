"""Fixtures: hosts that end with the test, a real ACP agent, and a real A2A agent."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.adapters.acp import ADAPTER as ACP
from mcp_background_job.agents.adapters.remote_a2a import ADAPTER as A2A
from tests.agents.host.driver import Host
from tests.conftest import Liveness, all_pids, processes_of, wait_for_end_of
from tests.nursery.starts import NURSERY
from tests.patience import PATIENCE_S

AGENT = Path(__file__).with_name("acp_agent.py")
REMOTE = Path(__file__).with_name("a2a_agent.py")


@pytest.fixture
def hosts(tmp_path: Path) -> Generator[list[Host]]:
    """Hosts that the test started; neither they nor their agents outlive the test."""
    hosts: list[Host] = []
    before = all_pids()
    yield hosts
    for host in hosts:
        host.close()
    left = wait_for_end_of(processes_of(str(tmp_path), before))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left, f"processes were left behind, and have been killed: {left}"


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
        return start_acp(prompt, NURSERY.command(str(AGENT), *flags), **config)

    return start


@pytest.fixture
def start_program(start_acp: Callable[..., Host], liveness: Liveness) -> Callable[..., Host]:
    """Start a host with a program of these lines of Python, which ends with the test."""

    def start(body: str, prompt: str = "echo hello") -> Host:
        return start_acp(prompt, liveness.script("agent", body).split())

    return start


class RemoteAgent:
    """A scripted A2A agent in a process of its own."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen(NURSERY.command(str(REMOTE), *flags), stdout=subprocess.PIPE)
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        assert ready, "the A2A agent does not start"
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def close(self) -> None:
        """End the agent."""
        self.process.kill()
        self.process.wait(PATIENCE_S)
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture(scope="module")
def remote_agent() -> Generator[RemoteAgent]:
    """An agent that streams; tests of a file that leave it alive share it."""
    agent = RemoteAgent()
    yield agent
    agent.close()


@pytest.fixture
def start_remote(hosts: list[Host], tmp_path: Path) -> Callable[..., Host]:
    """Start a host that talks with the agent at a URL."""

    def start(prompt: str, url: str, resume: str | None = None, **config: Any) -> Host:
        host = Host(A2A, tmp_path / f"run{len(hosts)}", prompt, resume, {"agent_url": url, **config})
        hosts.append(host)
        return host

    return start
