"""Prompts, submitted, watched and cancelled by a real client of a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from tests.comfyui.prompts.cancel_support import QUICK, end_of
from tests.comfyui.workflows import made_files
from tests.comfyui.workflows.drawing import node, workflow
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator, free_port
from tests.nursery.starts import program
from tests.patience import WAIT_S
from tests.server.calls import Caller

pytestmark = pytest.mark.real_process

LONG = 600

Connect = Callable[[int], AbstractAsyncContextManager[Caller]]


@pytest.fixture
def connect(state_dir: str) -> Connect:
    """Start a server for the ComfyUI on a port."""

    @contextlib.asynccontextmanager
    async def connected(port: int) -> AsyncGenerator[Caller]:
        environment = {**os.environ, "MCP_BG_STATE_DIR": state_dir, "COMFYUI_PORT": str(port)}
        python, *arguments = program()
        transport = StdioTransport(python, arguments, env=environment)
        async with Client(transport) as client:
            yield Caller(client)

    return connected


async def test_a_prompt_is_submitted_watched_and_cancelled(connect: Connect) -> None:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            first = await client.facts("comfyui_submit", workflow=graphs.stepped(LONG, 0.1), note="tea", wait_s=0.5)
            second = await client.facts("comfyui_submit", workflow=graphs.output(), wait_s=0)
            assert (first["status"], second["status"]) == ("in_progress", "pending")
            status = await client.facts("comfyui_status")
            assert [one["prompt_id"] for one in status["running"]] == [first["prompt_id"]]
            assert [one["prompt_id"] for one in status["pending"]] == [second["prompt_id"]]
            assert (status["running"][0]["note"], status["running"][0]["progress_from"]) == ("tea", "websocket")
            dropped = await client.facts("comfyui_cancel_queued_job", prompt_id=second["prompt_id"])
            assert dropped["status"] == "cancelled"
            cancelled = await client.facts("comfyui_cancel_job", prompt_id=first["prompt_id"])
            assert (cancelled["status"], cancelled["interrupts"]) == ("cancelled", 1)
            assert end_of(simulator, first["prompt_id"]) == "interrupted"
            for one in (first, second):
                assert (await client.facts("comfyui_job", prompt_id=one["prompt_id"]))["status"] == "cancelled"


async def test_outputs_errors_and_refusals_are_told(connect: Connect) -> None:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            done = await client.facts("comfyui_submit", workflow=graphs.output(), wait_s=WAIT_S)
            assert (done["status"], len(done["outputs"])) == ("completed", 1)
            failed = await client.facts("comfyui_submit", workflow=graphs.out_of_memory(), wait_s=WAIT_S)
            assert (failed["status"], failed["error"]["type"]) == ("failed", "torch.OutOfMemoryError")
            refused = await client.facts("comfyui_submit", workflow=graphs.load_checkpoint("missing"))
            assert refused["status"] == "refused"
            assert any("missing" in line for line in refused["node_errors"])


async def test_what_the_editor_saves_is_converted_and_runs(connect: Connect, tmp_path: Path) -> None:
    blank = node(1, "EmptyImage", [], [("IMAGE", "IMAGE")], [64, 64, 1, 0])
    drawn = workflow([blank, node(2, "SaveImage", [("images", "IMAGE", 1)], [], ["drawn"])], [(1, 1, 0, 2, 0, "IMAGE")])
    image = tmp_path / "drawn.png"
    image.write_bytes(made_files.png({"workflow": json.dumps(drawn)}))
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            done = await client.facts("comfyui_submit", workflow=drawn, wait_s=WAIT_S)
            assert (done["status"], len(done["outputs"])) == ("completed", 1)
            assert done["converted"].startswith("the workflow from the editor's format (2 nodes)")
            batch = await client.facts(
                "comfyui_submit", workflow_path=str(image), overrides={"1.inputs.width": [32, 48]}, wait_s=WAIT_S
            )
            assert (batch["status"], batch["counts"]["succeeded"]) == ("succeeded", 2)
            drawn["nodes"][0]["type"] = "EmptyImge"
            refused = await client.error("comfyui_submit", workflow=drawn)
            assert "node 1 (EmptyImge): the server has no such node; nearest: EmptyImage" in refused


@pytest.mark.requirement("comfyui.unreachable")
async def test_a_server_that_is_not_there_is_an_error_or_unknown_and_never_empty(connect: Connect) -> None:
    async with connect(free_port()) as client:
        status = await client.facts("comfyui_status")
        assert (status["reachable"], status["why"], status["queue"].split()[0]) == (False, "refused", "unknown")
        assert "running" not in status
        assert "nothing was submitted" in await client.error("comfyui_submit", workflow=graphs.output())
        cancelled = await client.facts("comfyui_cancel_job")
        assert cancelled["status"] == "unreachable"
        assert "start_comfyui" in cancelled["detail"]
        job = await client.facts("comfyui_job", prompt_id="00000000-0000-4000-8000-000000000000")
        assert job["status"] == "unknown"
        assert "unreachable" in job["reason"]


async def test_what_cannot_be_used_is_refused_in_a_sentence(connect: Connect, tmp_path: Path) -> None:
    image = tmp_path / "photo.png"
    image.write_bytes(made_files.png({"Software": "a camera"}))
    async with connect(free_port()) as client:
        assert "no prompt and no workflow" in await client.error("comfyui_submit", workflow_path=str(image))
        assert "not a regular file" in await client.error("comfyui_submit", workflow_path="/dev/zero")
        assert "one of workflow, workflow_path and prompt_id" in await client.error("comfyui_submit")
        assert "empty" in await client.error("comfyui_cancel_job", prompt_id="")


async def test_progress_is_reported_while_a_cancel_waits(connect: Connect, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert progress <= (total or 0)
        heard.append(message or "")
        gate.touch()  # the step is deaf until a report is here, however late

    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            graph = graphs.chain(graphs.gated(gate, deaf=True), graphs.stepped(LONG, 0.1))
            prompt = await client.facts("comfyui_submit", workflow=graph, wait_s=0.3)
            result: Any = await client.client.call_tool(
                "comfyui_cancel_job", {"prompt_id": prompt["prompt_id"]}, progress_handler=hear
            )
            assert result.structured_content["status"] == "cancelled"
    assert heard
    assert re.fullmatch(r"cancelling, ([5-9]|\d\d+) s", heard[0]), "the first one comes after 5 s"


async def test_a_cancel_that_waits_holds_up_no_other_call(connect: Connect, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            graph = graphs.chain(graphs.gated(gate, deaf=True), graphs.stepped(LONG, 0.1))
            prompt = await client.facts("comfyui_submit", workflow=graph, wait_s=0.3)
            cancelling = asyncio.create_task(client.facts("comfyui_cancel_job", prompt_id=prompt["prompt_id"]))
            status = await client.facts("comfyui_status")
            assert (status["reachable"], cancelling.done()) == (True, False)
            gate.touch()
            assert (await cancelling)["status"] == "cancelled"


async def test_a_prompt_runs_again_from_the_cache_or_past_it_and_shows_what_it_was_asked(connect: Connect) -> None:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            first = await client.facts("comfyui_submit", workflow=graphs.output("a cat"), wait_s=WAIT_S)
            assert "from_cache" not in first
            again = await client.facts("comfyui_submit", prompt_id=first["prompt_id"], wait_s=WAIT_S)
            assert again["prompt_id"] != first["prompt_id"]
            assert again["outputs"] == first["outputs"]
            assert "no node ran" in again["from_cache"]
            anew = await client.facts("comfyui_submit", prompt_id=again["prompt_id"], force=True, wait_s=WAIT_S)
            assert "from_cache" not in anew
            assert anew["outputs"] != first["outputs"]
            known = await client.facts("comfyui_job", prompt_id=anew["prompt_id"], show="texts")
            assert known["texts"]["9.inputs.text"] == "a cat"
            known = await client.facts("comfyui_job", prompt_id=first["prompt_id"], show="workflow")
            assert known["workflow"]["9"]["class_type"] == "SimOutput"
            unknown = await client.error("comfyui_submit", prompt_id="00000000-0000-4000-8000-000000000000")
            assert "neither the journal nor ComfyUI has the workflow" in unknown
            both = await client.error("comfyui_submit", prompt_id=first["prompt_id"], workflow=graphs.output())
            assert "give one of workflow, workflow_path and prompt_id" in both
