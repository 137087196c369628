"""Runs of agents, the queue of ComfyUI, and tasks, as what is followed."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError

from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from mcp_background_job.server.subscriptions.board import Board
from mcp_background_job.server.subscriptions.outbox import Outbox
from mcp_background_job.server.tasks import listening
from mcp_background_job.server.tasks.listening import TaskListener
from tests.comfyui.lifecycle.lifecycle_support import CHECKOUT
from tests.comfyui.prompts.cancel_support import QUICK
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import until
from tests.server.calls import Caller
from tests.server.subscriptions.followers import LEGACY, MODERN, connected, following

pytestmark = pytest.mark.real_process


async def test_what_an_agent_says_and_its_end_are_told_of_a_run(manager: JobManager, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    holder = os.open(pipe, os.O_RDWR)  # the agent's reading end stays open
    async with connected(build_server(manager, load_settings(toolsets="all")), MODERN) as follower:
        config = {"command": ["cat", str(pipe)]}
        spawned = await Caller(follower.client).facts(
            "spawn_run", backend="command", cwd=str(tmp_path), prompt="x", backend_config=config
        )
        uri = f"run://{spawned['run_id']}"
        (content,) = await follower.client.read_resource(uri)
        assert json.loads(getattr(content, "text", ""))["run_id"] == spawned["run_id"]
        assert uri in {str(resource.uri) for resource in await follower.client.list_resources()}
        async with following(follower, [uri]):
            os.write(holder, b"hello\n")
            await follower.hears(uri)
            told = len(follower.heard)
            await Caller(follower.client).facts("cancel_run", run_id=spawned["run_id"])
            await follower.hears(uri, told + 1)
    os.close(holder)


async def test_what_comes_into_the_queue_of_comfyui_is_told(
    manager: JobManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = await asyncio.to_thread(Simulator.start, *QUICK, cwd=CHECKOUT, directory=tmp_path)
    monkeypatch.setenv("COMFYUI_PORT", str(simulator.port))
    with simulator:
        async with connected(build_server(manager, load_settings(toolsets="all")), LEGACY) as follower:
            uri = "comfyui://queue"
            async with following(follower, [uri]):
                (content,) = await follower.client.read_resource(uri)
                assert json.loads(getattr(content, "text", ""))["reachable"]
                await Caller(follower.client).facts("comfyui_submit", workflow=graphs.output(), wait_s=0)
                await follower.hears(uri)


async def test_resources_that_are_not_there_are_refused_with_their_uri(manager: JobManager) -> None:
    async with connected(build_server(manager, load_settings(toolsets="jobs,runs")), MODERN) as follower:
        for uri in ("job://jnever", "job://jnever/log", "run://rnever2", "comfyui://queue", "other://x"):
            with pytest.raises(MCPError) as refusal:
                await follower.client.read_resource(uri)
            assert (refusal.value.error.code, refusal.value.error.data["uri"]) == (-32602, uri)
        assert {str(resource.uri) for resource in await follower.client.list_resources()} == {"jobs://"}


class _Keeper:
    """Has one task, and says of it what it is told to say."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {"taskId": "t", "status": "working", "statusMessage": "one", "lastUpdatedAt": "1"}

    async def get(self, task_id: str, *, can_ask: bool) -> dict[str, Any] | None:
        assert not can_ask
        return dict(self.told) if task_id == "t" else None


async def test_tasks_are_told_as_they_are_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def no(_: object) -> bool:
        return False

    monkeypatch.setattr(listening, "require_declared", no)
    monkeypatch.setattr(listening, "can_elicit", no)
    monkeypatch.setattr(listening, "INTERVAL_S", 0.01)
    keeper, outbox, board = _Keeper(), Outbox(), Board()
    listener: Any = TaskListener(board, keeper)  # pyright: ignore[reportArgumentType]  all that it needs

    class Wanted:
        model_extra = {"taskIds": ["t", "unknown", {"no": "id"}]}  # noqa: RUF012  as pydantic has it

    async with listener.listening(None, Wanted, outbox) as granted:
        assert granted == {"taskIds": ["t"]}
        keeper.told["statusMessage"] = "two"
        taken = await outbox.take()
        assert await taken.notification() == ("notifications/tasks", keeper.told)
        keeper.told |= {"status": "completed", "result": {}}
        assert await outbox.take() == taken
    await until(lambda: _is_left(board), "nobody follows")
    await board.close()


async def _is_left(board: Board) -> bool:
    return board.followers == 0
