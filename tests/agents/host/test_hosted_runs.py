"""Runs of interactive agents under the real job engine: answered, cancelled, resumed; and nothing is left of them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.core.run import RunStatus
from tests.agents.fake_agents import assert_numbered, events_until, of, types_of
from tests.agents.host.conftest import AGENT, RemoteAgent
from tests.conftest import Liveness, processes_of

pytestmark = pytest.mark.real_process


def _acp(workspace: Path, prompt: str, *flags: str, **values: Any) -> SpawnRequest:
    config = {"command": [sys.executable, str(AGENT), *flags]}
    return SpawnRequest(backend="acp", cwd=str(workspace), prompt=prompt, config=config, **values)


def _a2a(workspace: Path, prompt: str, agent: RemoteAgent) -> SpawnRequest:
    return SpawnRequest(backend="remote_a2a", cwd=str(workspace), prompt=prompt, config={"agent_url": agent.url})


def _says(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "text": text}]}


async def test_a_question_of_an_agent_is_answered_through_the_run(runs: RunManager, workspace: Path) -> None:
    run = await runs.spawn(_acp(workspace, "ask"))
    await events_until(runs, run, RunStatus.INPUT_REQUIRED)
    request = (await runs.get(of(run))).state.request
    assert request
    assert [option["option_id"] for option in request["data"]["options"]] == ["always", "once", "never"]

    assert (await runs.go_on(of(run), _says("no"))).mode == "live"

    events = await events_until(runs, run)
    assert_numbered(events)
    assert events[-1]["type"] == "run_completed"
    assert events[-1]["data"]["final_response"] == "never"


@pytest.mark.parametrize("flags", [(), ("--deaf",), ("--die",)])
async def test_a_cancel_leaves_nothing_of_an_agent_and_its_tool(
    runs: RunManager, liveness: Liveness, workspace: Path, flags: tuple[str, ...]
) -> None:
    tool = liveness.script("tool", "ignore(1, 2, 3, 15)\ndaemon(lambda: connect('daemon'))\nconnect('tool')\nhang()\n")
    run = await runs.spawn(_acp(workspace, f"run exec {tool}", *flags))
    liveness.expect("tool", "daemon")

    cancelled = await runs.cancel(of(run), by="test")

    liveness.assert_dead("tool", "daemon")
    assert cancelled.run.state.status is RunStatus.CANCELLED
    assert cancelled.stopped.leftover == ()
    assert_numbered(await events_until(runs, run))


async def test_a_cancelled_session_is_taken_up_again(runs: RunManager, workspace: Path) -> None:
    run = await runs.spawn(_acp(workspace, "hang", "--remember"))
    await events_until(runs, run, RunStatus.RUNNING)
    while not (await runs.get(of(run))).state.backend_session:
        state = (await runs.get(of(run))).state
        await runs.poll(of(run), after_seq=state.seq)
    await runs.cancel(of(run), by="test")

    continued = await runs.go_on(of(run), _says("echo again"))

    events = await events_until(runs, continued.run)
    assert continued.mode == "resume"
    assert events[-1]["data"]["final_response"] == "again "
    assert (await runs.get(of(continued.run))).state.backend_session == f"session in {workspace}"


async def test_the_death_of_a_host_fails_its_run_and_ends_its_agent(
    runs: RunManager, state_dir: str, liveness: Liveness, workspace: Path
) -> None:
    run = await runs.spawn(_acp(workspace, f"run exec {liveness.holder('tool')}"))
    liveness.expect("tool")
    (host,) = [pid for pid, command in processes_of(state_dir).items() if "agents.host acp" in command]
    os.kill(host, signal.SIGKILL)

    events = await events_until(runs, run)

    assert_numbered(events)
    assert events[-1]["type"] == "run_failed"
    liveness.assert_dead("tool")


async def test_what_outlives_an_agent_that_is_done_is_ended(
    runs: RunManager, liveness: Liveness, workspace: Path
) -> None:
    marker = workspace / "left-is-there"
    left = liveness.script("left", f"connect('left')\nopen({str(marker)!r}, 'w').close()\nhang()\n")
    # The agent is done only then: what has not shown itself before is ended unseen.
    run = await runs.spawn(_acp(workspace, f"run {left} & until [ -e {marker} ]; do sleep 0.02; done; exit 3"))

    events = await events_until(runs, run)

    liveness.expect("left")
    liveness.assert_dead("left")
    assert events[-1]["type"] == "run_completed"


async def test_a_missing_agent_is_said_before_anything_is_started(runs: RunManager, workspace: Path) -> None:
    request = SpawnRequest(backend="acp", cwd=str(workspace), prompt="x", config={"command": ["no-such-agent"]})
    with pytest.raises(Exception, match="no-such-agent") as refusal:
        await runs.spawn(request)
    assert "install" in str(refusal.value)


async def test_a_remote_agent_is_asked_answered_and_cancelled(
    runs: RunManager, remote_agent: RemoteAgent, liveness: Liveness, workspace: Path
) -> None:
    asking = await runs.spawn(_a2a(workspace, "ask which colour?", remote_agent))
    await events_until(runs, asking, RunStatus.INPUT_REQUIRED)
    await runs.go_on(of(asking), _says("blue"))
    events = await events_until(runs, asking)
    assert_numbered(events)
    assert events[-1]["data"]["final_response"] == "you say blue"
    assert "artifact_added" in types_of(events)

    working = await runs.spawn(_a2a(workspace, f"run exec {liveness.holder('tool')}", remote_agent))
    liveness.expect("tool")
    cancelled = await runs.cancel(of(working), by="test")
    liveness.wait_dead("tool")
    assert cancelled.run.state.status is RunStatus.CANCELLED
    remote = (await runs.get(of(asking))).state.remote
    assert remote["agent_name"] == "scripted"
