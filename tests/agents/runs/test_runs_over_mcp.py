"""The tools for runs, as a client of the server meets them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.agents.fake_agents import Agents
from tests.nursery.starts import program
from tests.server.calls import Caller

pytestmark = pytest.mark.real_process

#: What the orchestration server whose tools these are promises to return.
SPAWNED = {"run_id", "backend", "role", "session_id", "agent_name", "status"}
RUN = SPAWNED | {"started_at", "updated_at", "summary", "last_seq", "cwd", "metadata", "remote_ref"}
EVENT = {"seq", "ts", "run_id", "session_id", "backend", "type", "data"}
ARTIFACT = {"run_id", "seq", "field_path", "mime", "encoding", "relpath", "total_bytes", "offset", "returned_bytes"}

BODY = """
begin()
said = sys.stdin.read()
if said == "hang":
    connect("agent")
    fork_into(os.setsid, lambda: connect("tool"))
    hang()
text("x" * 3000 + said)
finish()
"""


@pytest.fixture
async def client(manager: JobManager) -> AsyncGenerator[Caller]:
    """A client of a server in this process."""
    async with Client(build_server(manager, load_settings())) as client:
        yield Caller(client)


@pytest.fixture
def asked(agents: Agents) -> dict[str, Any]:
    """The arguments of a spawn."""
    binary = agents.install("codex", BODY)
    return {"backend": "codex", "cwd": str(agents.workspace), "backend_config": {"binary": binary}}


async def _to_the_end(client: Caller, run_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while True:
        polled = await client.facts("poll_events", run_id=run_id, after_seq=len(events), wait_ms=10_000)
        events += polled["events"]
        if polled["status"] not in ("queued", "running"):
            assert polled["next_after_seq"] == len(events)
            return events


@pytest.mark.requirement("runs.tools")
async def test_a_run_from_spawn_to_artifact(client: Caller, asked: dict[str, Any], workspace: Path) -> None:
    spawned = await client.facts("spawn_run", **asked, prompt="hello", role="reviewer", metadata={"task": None, "n": 1})
    events = await _to_the_end(client, spawned["run_id"])
    known = await client.facts("get_run", run_id=spawned["run_id"])
    artifact = await client.facts(
        "get_event_artifact", run_id=spawned["run_id"], seq=events[-1]["seq"], field_path="/final_response", offset=2990
    )

    assert set(spawned) - {"endings"} == SPAWNED  # it may have ended before it was answered
    assert set(known) >= RUN
    assert (known["status"], known["role"], known["cwd"]) == ("completed", "reviewer", str(workspace))
    assert known["remote_ref"] == {"provider": "codex", "conversation_id": "thread-1"}
    assert known["metadata"]["n"] == 1
    assert known["last_seq"] == len(events)
    assert known["resumable"] is True
    assert known["result"]["final_response"].startswith("xxx")
    assert all(set(event) == EVENT for event in events)
    assert set(artifact) == ARTIFACT | {"has_more", "content"}
    assert (artifact["content"], artifact["has_more"]) == ("x" * 10 + "hello", False)


@pytest.mark.requirement("runs.tools")
async def test_null_and_messages_in_parts_are_taken_as_the_other_server_takes_them(
    client: Caller, asked: dict[str, Any]
) -> None:
    message = {"role": "user", "parts": [{"type": "text", "text": "in parts"}]}
    spawned = await client.facts(
        "spawn_run", **asked, role="worker", session_mode="new", nickname="bob", input_message=message
    )
    events = await _to_the_end(client, spawned["run_id"])

    known = await client.facts("get_run", run_id=None, agent_name="bob", cwd=None)

    assert known["run_id"] == spawned["run_id"]
    assert events[-1]["type"] == "run_completed"
    continued = await client.facts("continue_run", agent_name="bob", input_message=message)
    assert continued["mode"] == "resume"
    assert continued["resumed_from_run_id"] == spawned["run_id"]
    await _to_the_end(client, continued["run_id"])


async def test_a_list_has_pages(client: Caller, asked: dict[str, Any]) -> None:
    ids: list[str] = []
    for number in range(3):
        ids.insert(0, (await client.facts("spawn_run", **asked, prompt=str(number)))["run_id"])
        await _to_the_end(client, ids[0])

    first = await client.facts("list_runs", limit=2)
    second = await client.facts("list_runs", limit=2, cursor=first["next_cursor"])

    assert [run["run_id"] for run in first["runs"] + second["runs"]] == ids
    assert "next_cursor" not in second
    assert (await client.facts("list_runs", status="failed"))["runs"] == []


async def test_a_list_has_the_runs_of_the_project_and_counts_the_rest(
    manager: JobManager, asked: dict[str, Any]
) -> None:
    def of(project: str) -> Client[Any]:
        manager.project = project  # a server takes it when it is made
        return Client(build_server(manager, load_settings()))

    async with of("shop") as shop, of("blog") as blog:
        ids: list[str] = []
        for client in (Caller(shop), Caller(blog)):
            ids.append((await client.facts("spawn_run", **asked, prompt="go"))["run_id"])
            await _to_the_end(client, ids[-1])
        own = await Caller(blog).facts("list_runs")
        ended = await Caller(blog).facts("list_runs", status="completed")
        everywhere = await Caller(blog).facts("list_runs", all_projects=True)
    assert ([run["run_id"] for run in own["runs"]], own["elsewhere"]) == ([ids[1]], 1)
    assert ([run["run_id"] for run in ended["runs"]], ended["elsewhere"]) == ([ids[1]], 1)
    assert [run["run_id"] for run in everywhere["runs"]] == ids[::-1]
    assert "elsewhere" not in everywhere


#: The errors of the orchestration server, word for word.
ERRORS: list[tuple[str, dict[str, Any], str]] = [
    ("cancel_run", {"run_id": "nope"}, "Error: Unknown run_id: nope"),
    ("cancel_run", {"agent_name": "x"}, "Error: Unknown agent_name: x"),
    ("cancel_run", {"agent_name": "x", "cwd": "/tmp"}, "Error: Unknown agent_name in cwd /tmp: x"),
    ("get_run", {}, "Error: Provide run_id or agent_name"),
    ("poll_events", {"run_id": "nope", "after_seq": 0}, "Error: Unknown run_id: nope"),
    ("spawn_run", {"backend": "codex", "cwd": "rel", "prompt": "x"}, "Error: cwd must be an absolute path: rel"),
    (
        "spawn_run",
        {"backend": "codex", "cwd": "/nonexist", "prompt": "x"},
        "Error: ENOENT: no such file or directory, stat '/nonexist'",
    ),
    (
        "spawn_run",
        {"backend": "codex", "cwd": "/tmp", "prompt": "x", "session_mode": "resume", "session_id": "s"},
        "Error: Unknown session_id: s",
    ),
]


@pytest.mark.requirement("runs.errors")
@pytest.mark.parametrize(("tool", "arguments", "text"), ERRORS)
async def test_errors_are_those_of_the_other_server(
    client: Caller, tool: str, arguments: dict[str, Any], text: str
) -> None:
    assert await client.error(tool, **arguments) == text


async def test_arguments_out_of_bounds_are_refused(client: Caller, asked: dict[str, Any]) -> None:
    spawned = await client.facts("spawn_run", **asked, prompt="x")
    await _to_the_end(client, spawned["run_id"])
    run_id = spawned["run_id"]

    assert "limit 1 to 1000" in await client.error("poll_events", run_id=run_id, after_seq=0, limit=1001)
    assert "wait_ms 0 to 30000" in await client.error("poll_events", run_id=run_id, after_seq=0, wait_ms=30_001)
    assert "after_seq is 0 or more" in await client.error("poll_events", run_id=run_id, after_seq=-1)
    assert "limit is 1 or more" in await client.error("list_runs", limit=0)
    assert "status 'asleep'" in await client.error("list_runs", status="asleep")
    assert "backend 'claude'" in await client.error("list_runs", backend="claude")
    assert "cwd must be an absolute path: here" in await client.error("list_runs", cwd="here")
    assert "backend" in await client.error("spawn_run", backend="nope", cwd="/tmp", prompt="x")
    assert (
        await client.error("get_event_artifact", run_id=run_id, seq=1, field_path="/x")
        == "Error: No artifacts found for seq 1"
    )


@pytest.mark.requirement("runs.cancel")
async def test_a_cancel_over_stdio_ends_everything(state_dir: str, asked: dict[str, Any], agents: Agents) -> None:
    environment = {**os.environ, "MCP_BG_STATE_DIR": state_dir}
    python, *arguments = program()
    transport = StdioTransport(python, arguments, env=environment)
    async with Client(transport) as connected:
        client = Caller(connected)
        spawned = await client.facts("spawn_run", **asked, prompt="hang")
        agents.liveness.expect("agent", "tool")

        cancelled = await client.facts("cancel_run", run_id=spawned["run_id"])

        agents.liveness.assert_dead("agent", "tool")
        assert set(cancelled) == {
            *("run_id", "status", "cancelled_at"),
            *("stopped", "escalation", "killed_pids", "leftover_pids"),
        }
        assert (cancelled["status"], cancelled["stopped"], cancelled["leftover_pids"]) == ("cancelled", True, [])
        assert cancelled["escalation"] in ("polite", "term", "kill")
        # On a busy machine an agent may heed the signal too late.
        assert bool(cancelled["killed_pids"]) == (cancelled["escalation"] == "kill")
        assert await client.error("cancel_run", run_id=spawned["run_id"]) == "Error: run is already terminal: cancelled"
        events = await _to_the_end(client, spawned["run_id"])
        assert (events[-1]["type"], events[-1]["data"]["status"]) == ("status_changed", "cancelled")


async def test_without_the_toolset_there_are_no_such_tools(
    manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_BG_TOOLSETS", "jobs")
    async with Client(build_server(manager, load_settings())) as client:
        assert "spawn_run" not in {tool.name for tool in await client.list_tools()}
