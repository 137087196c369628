"""Twelve cancels of each real agent: four situations, ended in three ways, and no process is left.

How long each took is printed, with ``-s``: 1.5 s at most, on a machine that does nothing else.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.core.run import RunStatus
from mcp_background_job.jobs.manager import JobManager
from tests.agents.fake_model.server import FakeModel
from tests.agents.real.conftest import BINARIES, RUN_S, Agent
from tests.agents.real.speaking import runs_of
from tests.conftest import Liveness, processes_of
from tests.patience import until

#: Seconds after which a run is stopped by its own limit: its agent is at work by then. Codex starts fast, and has not
#: left its command in the background yet, as the model has it do after 20. opencode starts slowly, and would end a
#: command by itself after 120.
_LIMITS_S = {"codex": 18.0, "opencode": 90.0}
_LIMIT_S = 40.0

#: A command that only SIGKILL ends.
_DEAF = """
import signal
ignore(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
connect({name!r})
hang()
"""

pytestmark = [pytest.mark.real_agents, pytest.mark.real_process, pytest.mark.timeout(12 * RUN_S)]


@dataclass
class Situation:
    """What an agent is doing when it is cancelled.

    Attributes:
        agent: in a home of its own.
        scenario: of the model.
        names: of the processes that its command has by then.
        asks: it waits for an answer.
    """

    agent: Agent
    scenario: str
    names: tuple[str, ...] = ()
    asks: bool = False

    def request(self, state: str, timeout_s: float | None = None) -> dict[str, Any]:
        """Return what is told to a starter."""
        config = self.agent.config(self.scenario) | {"full_access": not self.asks}
        request = SpawnRequest(
            backend=self.agent.adapter.name,
            cwd=str(self.agent.workspace),
            prompt="do it",
            config=config,
            timeout_s=timeout_s,
        )
        environment = self.agent.environment(self.scenario)
        return {"state_dir": state, "environment": environment, "request": asdict(request)}


@dataclass
class Stage:
    """Where an agent is put into its situations."""

    name: str
    model: FakeModel
    liveness: Liveness
    manager: JobManager
    home: Path
    state: str

    def situations(self, way: str) -> list[Situation]:
        """Return the four situations, in homes and with processes of their own."""
        command, deaf, daemon = (f"{way}-{kind}" for kind in ("command", "deaf", "daemon"))
        holder = self.liveness.holder
        commands = {
            f"{way}-tool": holder(command),
            f"{way}-ignores": self.liveness.script(deaf, _DEAF.format(name=deaf)),
            f"{way}-leaves": f"setsid nohup {holder(daemon)} >/dev/null 2>&1 & {holder(daemon + '-parent')}",
        }
        self.model.commands.update(commands)
        last = Situation(self._agent(way, "leaves"), f"{way}-leaves", (daemon, f"{daemon}-parent"))
        if self.name == "claude_code":  # the others ask for nothing
            last = Situation(self._agent(way, "asks"), f"{way}-tool", asks=True)
        return [
            Situation(self._agent(way, "thinks"), "hang"),
            Situation(self._agent(way, "tool"), f"{way}-tool", (command,)),
            Situation(self._agent(way, "ignores"), f"{way}-ignores", (deaf,)),
            last,
        ]

    def _agent(self, way: str, what: str) -> Agent:
        return Agent(self.name, self.home / f"{way}-{what}", self.model)

    async def reached(self, situation: Situation, run_id: str, asked: int) -> None:
        """Wait until the agent is in the situation."""
        runs = runs_of(self.manager, {})

        async def is_reached() -> bool:
            run = await runs.get(Reference(run_id))
            assert not run.state.is_over, run.state.end
            if situation.asks:
                return run.state.status is RunStatus.INPUT_REQUIRED
            if situation.names:
                return all(self.liveness.count(name) for name in situation.names)
            return sum(request.scenario == situation.scenario for request in self.model.asked) > asked

        try:
            await until(is_reached, f"{situation.agent.home.name} of {run_id}", RUN_S)
        finally:
            await runs.close()

    def nothing_is_left(self, situation: Situation) -> None:
        """Fail if any process of the agent lives."""
        if situation.names:  # without names it would look at those of all situations
            self.liveness.assert_dead(*situation.names)
        left = processes_of(str(situation.agent.home))
        assert not left, f"{situation.agent.home.name}: {left}"

    def hung(self) -> int:
        """Return how often the model was asked to think."""
        return sum(request.scenario == "hang" for request in self.model.asked)


def _show(situation: Situation, took: float) -> None:
    print(f"{situation.agent.adapter.name} {situation.agent.home.name}: {took:.2f} s", flush=True)  # noqa: T201


async def _cancelled(stage: Stage, situation: Situation, run_id: str) -> None:
    runs = runs_of(stage.manager, {})
    began = time.monotonic()
    cancelled = await runs.cancel(Reference(run_id), by="test")
    took = time.monotonic() - began
    _show(situation, took)
    stage.nothing_is_left(situation)
    assert cancelled.stopped.leftover == ()
    assert cancelled.run.state.status is RunStatus.CANCELLED
    await runs.close()


async def _by_its_own_server(stage: Stage) -> None:
    for situation in stage.situations("own"):
        told, asked = situation.request(stage.state), stage.hung()
        runs = runs_of(stage.manager, told["environment"])
        run = await runs.spawn(SpawnRequest(**told["request"]))
        await stage.reached(situation, run.record.run_id, asked)
        await _cancelled(stage, situation, run.record.run_id)
        await runs.close()


async def _by_another_server(stage: Stage) -> None:
    for situation in stage.situations("other"):
        told, asked = situation.request(stage.state), stage.hung()
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.agents.real.starter"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(told).encode())
        server.stdin.write_eof()
        run_id = (await server.stdout.readline()).decode().strip()
        await stage.reached(situation, run_id, asked)
        server.send_signal(signal.SIGKILL)
        await server.wait()
        await _cancelled(stage, situation, run_id)


async def _by_its_limit(stage: Stage) -> None:
    limit_s = _LIMITS_S.get(stage.name, _LIMIT_S)

    async def begun(situation: Situation) -> tuple[RunManager, str]:
        told = situation.request(stage.state, limit_s)
        runs = runs_of(stage.manager, told["environment"])
        run = await runs.spawn(SpawnRequest(**told["request"]))
        await stage.reached(situation, run.record.run_id, asked)
        return runs, run.record.run_id

    async def ended(situation: Situation, runs: RunManager, run_id: str) -> None:
        async with asyncio.timeout(limit_s + RUN_S):
            while not (polled := await runs.poll(Reference(run_id), after_seq=0, wait_s=1)).run.state.is_over:
                pass
        job = await stage.manager.find(polled.run.record.job_id)
        stage.nothing_is_left(situation)
        assert polled.run.state.status is RunStatus.FAILED
        await runs.close()
        assert job.started_at
        assert job.ended_at
        _show(situation, job.ended_at - job.started_at - limit_s)

    asked = stage.hung()
    # One after the other: four that start at once take turns for the processor, and their limits are reached first.
    situations = stage.situations("limit")
    going = [(situation, *await begun(situation)) for situation in situations]
    await asyncio.gather(*(ended(*one) for one in going))


#: How they are ended: by the server that started them, by another one after that was killed, by their own limit.
WAYS = {"own": _by_its_own_server, "other": _by_another_server, "limit": _by_its_limit}


@pytest.fixture
def place(tmp_path: Path, state_dir: str) -> tuple[Path, str]:
    """The homes of agents, and the state directory."""
    return tmp_path / "homes", state_dir


@pytest.fixture
def stage(name: str, model: FakeModel, liveness: Liveness, manager: JobManager, place: tuple[Path, str]) -> Stage:
    if not BINARIES[name].exists():
        pytest.skip(f"{name} is not installed for tests; make test-agents installs it")
    return Stage(name, model, liveness, manager, *place)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BINARIES)
async def test_whatever_it_does_when_it_is_ended_nothing_is_left(stage: Stage, way: str) -> None:
    await WAYS[way](stage)
