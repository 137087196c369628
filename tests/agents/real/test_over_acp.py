"""Gemini CLI and Copilot CLI as ACP agents: they ask, are refused a key, and are cancelled with all they started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.life.results import Run
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.core.run import RunStatus
from mcp_background_job.jobs.manager import JobManager
from tests.agents.fake_agents import assert_numbered, of
from tests.agents.fake_model.server import FakeModel
from tests.agents.real.conftest import RUN_S, SPOKEN_TO, Agent
from tests.agents.real.speaking import runs_of
from tests.conftest import Liveness

pytestmark = [pytest.mark.real_agents, pytest.mark.real_process, pytest.mark.timeout(3 * RUN_S)]


@pytest.fixture(params=SPOKEN_TO)
def command(request: pytest.FixtureRequest) -> list[str]:
    """The argv of an agent."""
    argv = SPOKEN_TO[request.param]
    if not Path(argv[0]).exists():
        pytest.skip(f"{request.param} is not installed for tests; make test-agents installs it")
    return argv


@pytest.fixture
def spoken_to(tmp_path: Path, model: FakeModel, command: list[str]) -> Agent:
    agent = Agent("acp", tmp_path / "home", model)
    agent.command = command
    return agent


@pytest.fixture
async def speaking(manager: JobManager, spoken_to: Agent) -> AsyncGenerator[Callable[[str], RunManager]]:
    """Make managers whose runs speak to the model in a scenario."""
    made: list[RunManager] = []

    def make(scenario: str) -> RunManager:
        made.append(runs_of(manager, spoken_to.environment(scenario)))
        return made[-1]

    yield make
    for runs in made:
        await runs.close()


def _request(spoken_to: Agent) -> SpawnRequest:
    config = {"command": spoken_to.command}
    return SpawnRequest(backend="acp", cwd=str(spoken_to.workspace), prompt="say hello", config=config)


async def _events(runs: RunManager, run: Run, *statuses: RunStatus) -> list[dict[str, Any]]:
    """Follow a run until it has one of these statuses, or is over."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(RUN_S):
        while True:
            polled = await runs.poll(of(run), after_seq=len(events), limit=1000)
            events += polled.events
            state = polled.run.state
            if state.seq == len(events) and (state.is_over or state.status in statuses):
                return events


async def _answer(runs: RunManager, run: Run, text: str) -> None:
    await _events(runs, run, RunStatus.INPUT_REQUIRED)
    await runs.go_on(of(run), {"role": "user", "parts": [{"type": "text", "text": text}]})


async def test_it_says_hello(speaking: Callable[[str], RunManager], spoken_to: Agent) -> None:
    runs = speaking("hello")
    events = await _events(runs, await runs.spawn(_request(spoken_to)))
    assert_numbered(events)
    assert events[-1]["data"]["final_response"] == "hello from the model"


@pytest.mark.parametrize(("answer", "is_run"), [("yes", True), ("no", False)])
async def test_it_asks_before_it_runs_a_command(
    speaking: Callable[[str], RunManager], spoken_to: Agent, model: FakeModel, answer: str, *, is_run: bool
) -> None:
    mark = spoken_to.workspace / "mark"
    model.commands["tool"] = f"touch {mark}"
    runs = speaking("tool")
    run = await runs.spawn(_request(spoken_to))
    await _answer(runs, run, answer)
    events = await _events(runs, run)
    assert_numbered(events)
    assert events[-1]["type"] == "run_completed"
    assert mark.exists() == is_run


async def test_a_refused_key_is_why_it_failed(speaking: Callable[[str], RunManager], spoken_to: Agent) -> None:
    runs = speaking("http401")
    events = await _events(runs, await runs.spawn(_request(spoken_to)))
    assert (events[-1]["type"], events[-1]["data"]["reason"]) == ("run_failed", "auth")


async def test_a_cancel_leaves_nothing_of_its_command_and_what_that_started(
    speaking: Callable[[str], RunManager], spoken_to: Agent, model: FakeModel, liveness: Liveness
) -> None:
    grandchild, command = liveness.holder("grandchild"), liveness.holder("command")
    model.commands["setsid"] = f"setsid nohup {grandchild} >/dev/null 2>&1 & {command}"
    runs = speaking("setsid")
    run = await runs.spawn(_request(spoken_to))
    await _answer(runs, run, "yes")
    liveness.expect("command", "grandchild")
    cancelled = await runs.cancel(of(run), by="test")
    liveness.assert_dead("command", "grandchild")
    assert cancelled.run.state.status is RunStatus.CANCELLED
    assert cancelled.stopped.leftover == ()
    assert_numbered(await _events(runs, run))
