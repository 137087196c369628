"""Two projects, two clients, two sessions each, and the same names: over stdio, with real servers and jobs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from bench.client import ServerProcess
from tests.patience import PATIENCE_S
from tests.projects import play

pytestmark = pytest.mark.real_process

#: Starts a server for a session: in a project, for a client, with a number.
Open = Callable[[Path, str, int], "OverStdio"]


class OverStdio:
    """A conversation of a client, which is a process of its own, with its server."""

    def __init__(self, project: Path, client: str, number: int, environment: dict[str, str]) -> None:
        self.who = (str(project), client, number)
        # The shell is the client's process: two sessions of one client are two of them.
        command = ["/bin/sh", "-c", f"{sys.executable} -m mcp_background_job; exit $?"]
        self.server = ServerProcess(command, environment, str(project), answer_timeout_s=PATIENCE_S)
        self.server.initialize(client)

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; returns its facts, or that it was refused."""
        parameters = {"name": tool, "arguments": arguments}
        result = await asyncio.to_thread(self.server.request, "tools/call", parameters)
        if result.get("isError"):
            return {"error": result["content"][0]["text"]}
        return result["structuredContent"]


@pytest.fixture
def opened(state_dir: str) -> Generator[Open]:
    """Opens sessions; they are closed in the end, and their jobs with them."""
    sessions: list[OverStdio] = []
    # No PWD, as most clients leave it: a project is where the server is, not what a variable says.
    environment = {key: value for key, value in os.environ.items() if key != "PWD"}
    environment |= {"MCP_BG_STATE_DIR": state_dir, "MCP_BG_MAX_JOBS": "100", "MCP_BG_LOGIN_ENV": "never"}

    def opened(project: Path, client: str, number: int) -> OverStdio:
        project.mkdir(exist_ok=True)
        sessions.append(OverStdio(project, client, number, environment))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.server.call("kill_job", all_of_project=True, grace_s=0)
        session.server.close()


async def test_the_end_of_a_job_is_told_in_the_directory_and_conversation_that_started_it(
    opened: Open, tmp_path: Path
) -> None:
    shop, blog = opened(tmp_path / "shop", "claude", 0), opened(tmp_path / "blog", "claude", 0)
    started = await shop.ask("execute_command", command="sleep 1000", name="dev", wait_s=0)
    other = await blog.ask("execute_command", command="exec sleep 2000", name="dev", if_running="restart", wait_s=0)
    assert other["job_id"] != started["job_id"]
    assert (await shop.ask("get_job_status", job_id="dev"))["status"] == "running"
    killed = await blog.ask("kill_job", job_id=started["job_id"], grace_s=0)
    assert killed["status"] == "killed"
    assert "endings" not in await blog.ask("list_jobs", status="running")
    (told,) = (await shop.ask("list_jobs", status="running"))["endings"]
    assert told.startswith(f"{started['job_id']} `dev` killed")


@pytest.mark.nightly
async def test_nothing_of_another_project_is_returned_killed_or_told(opened: Open, tmp_path: Path) -> None:
    sessions = [
        opened(tmp_path / project, client, number)
        for project in ("shop", "blog")
        for client in ("claude", "codex")
        for number in (0, 1)
    ]
    played = await play(sessions, 1, 200)
    assert {"start running", "start refused", "kill killed"} <= played.counts.keys()
    assert len(played.told) > 20
