"""The event loop serves all callers, so it never waits for a disk: not in any use case."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from mcp_types import PromptReference, ResourceTemplateReference

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.server.build import build_server
from tests.agents.fake_agents import Agents
from tests.comfyui.lifecycle.lifecycle_support import CHECKOUT
from tests.comfyui.prompts.cancel_support import QUICK
from tests.comfyui_simulator import png
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.conftest import Liveness
from tests.loop_guard import files_of_this_thread
from tests.patience import WAIT_S
from tests.server.subscriptions.followers import ERAS, Follower, connected, following
from tests.server.tasks.tasking import tasking

pytestmark = [pytest.mark.real_process, pytest.mark.usefixtures("state_dir")]


class Noting:
    """Calls tools, and notes which."""

    def __init__(self, client: Client[Any]) -> None:
        self.client = client
        self.called: set[str] = set()

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; returns its facts, if those are what it answers with."""
        self.called.add(tool)
        return (await self.client.call_tool(tool, arguments)).structured_content or {}

    async def refused(self, tool: str, **arguments: Any) -> None:
        """Call a tool that must refuse."""
        with pytest.raises(ToolError):
            await self.call(tool, **arguments)


@asynccontextmanager
async def _guarded(toolset: str) -> AsyncGenerator[FastMCP[Any]]:
    """Give a server that must leave files alone meanwhile."""
    settings = load_settings(toolsets=toolset)
    manager = build(settings)
    server = build_server(manager, settings)  # before there is a loop
    with files_of_this_thread() as guard:
        yield server
    assert guard.done == {}, "\n".join(f"{what}: {to}" for what, to in sorted(guard.done.items()))


@asynccontextmanager
async def _served(toolset: str) -> AsyncGenerator[Noting]:
    async with _guarded(toolset) as server, Client(server) as client:
        caller = Noting(client)
        yield caller
        assert caller.called == {tool.name for tool in await client.list_tools()}
        await _ask_for_the_rest(client)


async def _ask_for_the_rest(client: Client[Any]) -> None:
    """List and read resources, take prompts, and complete what both ask for."""
    for resource in await client.list_resources():
        await client.read_resource(resource.uri)
    for template in await client.list_resource_templates():
        name = template.uri_template.partition("{")[2].partition("}")[0]
        await client.complete(ResourceTemplateReference(uri=template.uri_template), {"name": name, "value": ""})
    for prompt in await client.list_prompts():
        names = [argument.name for argument in prompt.arguments or []]
        await client.get_prompt(prompt.name, dict.fromkeys(names, "cat"))
        for name in names:
            await client.complete(PromptReference(name=prompt.name), {"name": name, "value": ""})


async def test_jobs() -> None:
    async with _served("jobs") as client:
        done = await client.call("execute_command", command="echo hello; echo oops >&2; exit 3", wait_s=WAIT_S)
        assert done["exit_code"] == 3
        cat = await client.call("execute_command", command="cat", name="cat", stdin="pipe", stdin_text="x\n", wait_s=0)
        await client.call("execute_command", command="cat", name="cat", stdin="pipe", wait_s=0)
        await client.call("wait_for_job", job_id="cat", until="x", fail_on="y", wait_s=WAIT_S)
        await client.call("interact_with_job", job_id="cat", input="again", wait_s=0.1)
        await client.call("wait_for_job", job_id=["cat"], until="idle:0.1", wait_s=WAIT_S)
        await client.call("wait_for_job", job_id="cat", until="port:1", wait_s=0.2)
        await client.call("execute_command", command="echo " + "x" * 200_000, after=["cat"], wait_s=0)
        await client.call("get_job_status", job_id="cat")
        await client.call("tail_job_output", job_id=done["job_id"], grep="o")
        await client.call("get_job_output", job_id=done["job_id"], stream="stderr")
        restarted = await client.call("restart_job", job_id="cat", wait_s=0.1)
        assert restarted["restarted_from"] == cat["job_id"]
        await client.call("execute_command", command="cat", name="cat", stdin="pipe", if_running="restart", wait_s=0)
        await client.call("kill_job", job_id="cat")
        await client.call("list_jobs")
        await client.client.read_resource(f"job://{done['job_id']}/log")


@pytest.mark.parametrize("era", ERAS)
async def test_followers(era: str) -> None:
    async with _guarded("jobs") as server, connected(server, era) as follower:
        client = Noting(follower.client)
        job_id = (await client.call("execute_command", command="cat", stdin="pipe", wait_s=0))["job_id"]
        job, log = f"job://{job_id}", f"job://{job_id}/log"
        async with following(follower, ["jobs://", job, log], lists=True):
            await client.call("interact_with_job", job_id=job_id, input="a line", wait_s=0)
            await follower.hears(log)
            await client.call("kill_job", job_id=job_id)
            await follower.hears(job)
            await follower.hears("jobs://")


async def test_tasks() -> None:
    async with _guarded("jobs") as server, tasking(server) as client:
        task_id = await client.start("execute_command", command="cat", stdin="pipe", wait_s=0)
        wait_id = await client.start("wait_for_job", job_id=task_id, until="a line", wait_s=0.1)
        async with client.listening([task_id, wait_id]):
            await client.call("interact_with_job", job_id=task_id, input="a line", wait_s=0)
            await client.end(wait_id)
            await client.ask("tasks/update", task_id, inputResponses={})
            await client.ask("tasks/cancel", task_id)
            await client.end(task_id)


async def test_comfyui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = await asyncio.to_thread(Simulator.start, *QUICK, cwd=CHECKOUT, directory=tmp_path)
    monkeypatch.setenv("COMFYUI_PORT", str(simulator.port))
    monkeypatch.setenv("MCP_BG_WORKING_DIR", str(tmp_path))
    with simulator:
        async with _served("comfyui") as client:
            await client.call("comfyui_status")
            done = await client.call("comfyui_submit", workflow=graphs.output(), note="tea", wait_s=WAIT_S)
            file = tmp_path / "graph.json"
            await asyncio.to_thread(file.write_text, json.dumps(graphs.out_of_memory()))
            await client.call("comfyui_submit", workflow_path=str(file), wait_s=WAIT_S)
            await client.call("comfyui_download", prompt_id=done["prompt_id"])
            picture = tmp_path / "picture.png"
            await asyncio.to_thread(picture.write_bytes, png.picture("a cat"))
            await client.call("comfyui_upload", path=str(picture))
            await client.call("comfyui_session", action="new", name="other")
            await client.call("comfyui_session", action="track", prompt_id=done["prompt_id"])
            for action in ("list", "show"):
                await client.call("comfyui_session", action=action)
            long = await client.call("comfyui_submit", workflow=graphs.stepped(600, 0.1), wait_s=0.2)
            queued = await client.call("comfyui_submit", workflow=graphs.output(), wait_s=0)
            await client.call("comfyui_job", prompt_id=long["prompt_id"], wait_s=0.2)
            async with following(Follower(client.client), ["comfyui://queue"]):
                await client.call("comfyui_cancel_queued_job", prompt_id=queued["prompt_id"])
                await client.call("comfyui_cancel_job", prompt_id=long["prompt_id"])
            graph = [graphs.out_of_memory(), graphs.with_output(graphs.stepped(600, 0.1))]
            batch = {"batch_id": (await client.call("comfyui_submit", workflow=graph, wait_s=0))["batch_id"]}
            for action in ("pause", "resume"):
                await client.call("comfyui_batch", **batch, action=action)
            while "running_prompts" not in await client.call("comfyui_batch", **batch, wait_s=0.1):
                pass
            await client.call("comfyui_batch", **batch, action="cancel", interrupt=True)
            await client.refused("comfyui_batch", **batch, action="retry_failed")  # what was canceled runs no more
            await client.call("comfyui_batch")
            await client.call("comfyui_jobs")
            await client.call("comfyui_errors")
            await client.call("comfyui_clear_history", keep=1)
            await client.call("comfyui_free")
            await client.call("comfyui_models")
            await client.call("comfyui_nodes", match="sim")
            await client.call("comfyui_status", log=True)
            await client.call("restart_comfyui", force=True)
            await client.call("start_comfyui")
            await client.call("stop_comfyui", force=True)


async def test_runs(tmp_path: Path, liveness: Liveness) -> None:
    agents = Agents(tmp_path, tmp_path, liveness)
    answered = agents.claude("words = greet()\nask('r1', 'ls')\nspeak('x' * 3000)\ndone(words)\n")
    hanging = agents.claude("greet()\nconnect('agent')\nhang()\n")
    await asyncio.to_thread((tmp_path / "persona").write_text, "You are Bob.")
    where = {"backend": "claude_code", "cwd": str(tmp_path), "prompt": "hello"}
    allow = {"role": "user", "parts": [{"type": "data", "data": {"decision": "allow"}}]}
    async with _served("runs") as client:
        run = await client.call("spawn_run", **where, backend_config=answered.config, nickname="bob", profile="persona")
        which, seq, status = {"run_id": run["run_id"]}, 0, ""
        while status != "completed":
            polled = await client.call("poll_events", **which, after_seq=seq, wait_ms=30_000)
            seq, status = polled["next_after_seq"], polled["status"]
            if status == "input_required":
                await client.call("continue_run", **which, input_message=allow)
        await client.call("get_run", agent_name="bob", cwd=str(tmp_path))
        events = (await client.call("poll_events", **which))["events"]
        cut = {event["seq"]: event["data"]["artifact_refs"] for event in events if "artifact_refs" in event["data"]}
        for seq, [field] in cut.items():
            await client.call("get_event_artifact", **which, seq=seq, field_path=field)
        other = await client.call("spawn_run", **where, backend_config=hanging.config)
        async with following(Follower(client.client), [f"run://{other['run_id']}"]):
            await client.call("cancel_run", run_id=other["run_id"])
        await client.call("list_runs")
        await client.call("list_runs", status="completed")
