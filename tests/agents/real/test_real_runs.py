"""Runs of real agents: a cancel leaves nothing of them, and their sessions go on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.life.results import Run
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.core.run import RunStatus
from mcp_background_job.jobs.manager import JobManager
from tests.agents.fake_agents import assert_numbered
from tests.agents.fake_model.server import FakeModel
from tests.agents.real.conftest import RUN_S, Agent
from tests.agents.real.speaking import runs_of
from tests.conftest import Liveness

pytestmark = [pytest.mark.real_agents, pytest.mark.real_process, pytest.mark.timeout(4 * RUN_S)]


@asynccontextmanager
async def _runs(manager: JobManager, agent: Agent, scenario: str) -> AsyncGenerator[RunManager]:
    """A manager whose runs speak to the model in a scenario."""
    runs = runs_of(manager, agent.environment(scenario))
    yield runs
    await runs.close()


def _request(agent: Agent, scenario: str) -> SpawnRequest:
    # With full access: a sandbox has no way to the socket by which a command shows that it is alive.
    config = agent.config(scenario) | {"full_access": True}
    name = agent.adapter.name
    return SpawnRequest(backend=name, cwd=str(agent.workspace), prompt="remember 4711", config=config)


async def _commands_run(liveness: Liveness, *names: str) -> None:
    deadline = time.monotonic() + RUN_S
    while not all(liveness.count(name) for name in names):
        assert time.monotonic() < deadline, f"no sign of life from all of {names}"
        await asyncio.sleep(0.02)


async def _over(runs: RunManager, run: Run) -> list[dict[str, object]]:
    """Wait for the end of a run; returns its events."""
    reference, seen = Reference(run_id=run.record.run_id), 0
    async with asyncio.timeout(RUN_S):
        while not (polled := await runs.poll(reference, after_seq=seen, wait_s=1)).run.state.is_over:
            seen = polled.run.state.seq
    return (await runs.poll(reference, after_seq=0, limit=1000)).events


async def _cancelled_in_the_middle(
    runs: RunManager, agent: Agent, scenario: str, liveness: Liveness, *names: str
) -> Run:
    run = await runs.spawn(_request(agent, scenario))
    await _commands_run(liveness, *names)

    cancelled = await runs.cancel(Reference(run_id=run.record.run_id), by="test")

    liveness.assert_dead(*names)
    assert cancelled.run.state.status is RunStatus.CANCELLED
    assert cancelled.stopped.leftover == ()
    assert_numbered(await _over(runs, run))
    return cancelled.run


async def test_it_completes_with_what_its_command_gave(agent: Agent, manager: JobManager) -> None:
    async with _runs(manager, agent, "tool") as runs:
        run = await runs.spawn(_request(agent, "tool"))
        events = await _over(runs, run)
    assert_numbered(events)
    assert events[-1]["type"] == "run_completed", events[-1]
    assert "hello-from-tool" in str(events[-1]["data"])


async def test_a_task_longer_than_a_pipe_of_common_size_completes(agent: Agent, manager: JobManager) -> None:
    async with _runs(manager, agent, "hello") as runs:
        run = await runs.spawn(replace(_request(agent, "hello"), prompt="word " * 60_000))
        events = await _over(runs, run)
    assert events[-1]["type"] == "run_completed", events[-1]


async def test_a_refused_key_is_why_it_failed(agent: Agent, manager: JobManager) -> None:
    async with _runs(manager, agent, "http401") as runs:
        run = await runs.spawn(_request(agent, "http401"))
        events = await _over(runs, run)
    assert_numbered(events)
    data = events[-1]["data"]
    assert isinstance(data, dict)
    assert (events[-1]["type"], data["reason"]) == ("run_failed", "auth")


async def test_a_cancel_in_the_middle_of_a_command_leaves_nothing(
    agent: Agent, model: FakeModel, manager: JobManager, liveness: Liveness
) -> None:
    model.commands["sleep"] = liveness.holder("command")
    async with _runs(manager, agent, "sleep") as runs:
        await _cancelled_in_the_middle(runs, agent, "sleep", liveness, "command")


async def test_a_cancel_ends_what_a_command_has_put_in_a_session_of_its_own(
    agent: Agent, model: FakeModel, manager: JobManager, liveness: Liveness
) -> None:
    model.commands["setsid"] = (
        f"setsid nohup {liveness.holder('grandchild')} >/dev/null 2>&1 & {liveness.holder('command')}"
    )
    async with _runs(manager, agent, "setsid") as runs:
        await _cancelled_in_the_middle(runs, agent, "setsid", liveness, "command", "grandchild")


async def test_a_cancelled_session_is_gone_on_with(
    agent: Agent, model: FakeModel, manager: JobManager, liveness: Liveness
) -> None:
    model.commands["sleep"] = liveness.holder("command")
    async with _runs(manager, agent, "sleep") as runs:
        run = await _cancelled_in_the_middle(runs, agent, "sleep", liveness, "command")
    async with _runs(manager, agent, "hello") as runs:
        request = replace(_request(agent, "hello"), prompt="go on", session_mode="resume")
        resumed = await runs.spawn(replace(request, session_id=run.record.session_id))
        events = await _over(runs, resumed)
    assert events[-1]["type"] == "run_completed", events[-1]
    asked = json.dumps(model.asked[-1].body)
    assert "remember 4711" in asked
    assert "go on" in asked
