"""Runs of agents as tasks, through a client in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agents.fake_agents import Agents
from tests.conftest import Liveness
from tests.server.tasks.tasking import Gate, Tasking

pytestmark = pytest.mark.real_process

#: As Codex: says what it was asked when the gate opens.
GATED = """
begin()
said = sys.stdin.read()
open(said).readline()
text("read " + said)
finish()
"""

HANGS = """
begin()
connect("agent")
fork_into(os.setsid, lambda: connect("tool"))
hang()
"""

#: As Claude Code: asks twice.
ASKS = """
greet()
first = ask("r1", "rm -rf dist")
second = ask("r2", "rm -rf build")
done(first["behavior"] + ", " + second["behavior"])
while hear() is not None:
    pass
"""


@pytest.fixture
def agents(tmp_path: Path, liveness: Liveness) -> Agents:
    """Scripts that speak as agents do."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Agents(tmp_path, workspace, liveness)


@pytest.fixture
def gate(new_gate: Callable[[], Gate]) -> Gate:
    """A pipe from which an agent reads before it ends."""
    return new_gate()


def _asked(agents: Agents, body: str, backend: str = "codex") -> dict[str, Any]:
    binary = agents.install(backend, body)
    return {"backend": backend, "cwd": str(agents.workspace), "backend_config": {"binary": binary}}


async def test_a_run_and_the_one_that_goes_on_after_it_are_tasks(client: Tasking, agents: Agents, gate: Gate) -> None:
    first = await client.start("spawn_run", **_asked(agents, GATED), prompt=str(gate.path))
    assert (await client.get(first))["status"] == "working"
    gate.open()
    ended = await client.end(first)
    assert (ended["status"], ended["result"]["isError"]) == ("completed", False)
    facts = ended["result"]["structuredContent"]
    assert (facts["run_id"], facts["result"]["final_response"]) == (first, f"read {gate.path}")

    message = {"role": "user", "parts": [{"type": "text", "text": str(gate.path)}]}
    second = await client.start("continue_run", run_id=first, input_message=message)
    gate.open()
    facts = (await client.end(second))["result"]["structuredContent"]
    assert (facts["run_id"], facts["mode"], facts["status"]) == (second, "resume", "completed")
    assert "endings" not in (await client.call("list_jobs"))["structuredContent"]


async def test_a_run_that_fails_completes_and_says_so(client: Tasking, agents: Agents, gate: Gate) -> None:
    body = "begin()\nopen(sys.stdin.read()).readline()\nsys.exit(3)\n"
    task_id = await client.start("spawn_run", **_asked(agents, body), prompt=str(gate.path))
    gate.open()
    ended = await client.end(task_id)
    assert (ended["status"], ended["result"]["structuredContent"]["status"]) == ("completed", "failed")
    assert ended["result"]["isError"] == (await client.call("get_run", run_id=task_id))["isError"]


async def test_a_cancelled_run_is_dead_with_all_that_it_started(client: Tasking, agents: Agents) -> None:
    task_id = await client.start("spawn_run", **_asked(agents, HANGS), prompt="x")
    agents.liveness.expect("agent", "tool")
    for _ in range(2):
        assert await client.ask("tasks/cancel", task_id) == {"resultType": "complete"}
    cancelled = await client.end(task_id)
    agents.liveness.assert_dead("agent", "tool")
    assert (cancelled["status"], "result" in cancelled) == ("cancelled", False)
    assert await client.ask("tasks/cancel", task_id) == {"resultType": "complete"}


async def test_a_run_that_asks_is_answered_and_declined_by_way_of_its_task(client: Tasking, agents: Agents) -> None:
    task_id = await client.start("spawn_run", **_asked(agents, ASKS, "claude_code"), prompt="dist")
    keys: list[str] = []
    for command, answer in (("rm -rf dist", "accept"), ("rm -rf build", "decline")):

        def asks(now: dict[str, Any], command: str = command) -> bool:
            return command in str(now.get("inputRequests"))

        now = await client.become(task_id, asks, f"it asks about {command}")
        ((key, request),) = now["inputRequests"].items()
        keys.append(key)
        options = request["params"]["requestedSchema"]["properties"]["text"]["enum"]
        response: dict[str, Any] = {"action": answer}
        if answer == "accept":
            response["content"] = {"text": options[0]}
        stale = {one: {"action": "accept", "content": {"text": "no"}} for one in keys[:-1]}
        for _ in range(2):  # the second means nothing any more
            await client.ask("tasks/update", task_id, inputResponses={**stale, key: response})
    facts = (await client.end(task_id))["result"]["structuredContent"]
    assert facts["result"]["final_response"] == "allow, deny"
    assert len(set(keys)) == 2


async def test_a_wait_for_jobs_and_runs_ends_when_all_have(
    client: Tasking, agents: Agents, new_gate: Callable[[], Gate]
) -> None:
    gates = [new_gate() for _ in range(3)]
    jobs = [await client.start("execute_command", command=f"read go < {one.path}", wait_s=0) for one in gates[:2]]
    run_id = await client.start("spawn_run", **_asked(agents, GATED), prompt=str(gates[2].path))
    wait, given_up = [await client.start("wait_for_job", job_id=[*jobs, run_id], wait_s=0.1) for _ in range(2)]
    message = (await client.get(wait))["statusMessage"]
    assert all(one in message for one in (*jobs, run_id)), message
    await client.ask("tasks/cancel", given_up)
    for gate, one in zip(gates, (*jobs, run_id), strict=True):
        assert (await client.get(wait))["status"] == "working"
        gate.open()
        await client.end(one)
    rows = (await client.end(wait))["result"]["structuredContent"]["jobs"]
    assert {row.get("job_id") or row["run_id"]: row["status"] for row in rows} == dict.fromkeys(
        (*jobs, run_id), "completed"
    )
    assert (await client.get(given_up))["status"] == "cancelled"
