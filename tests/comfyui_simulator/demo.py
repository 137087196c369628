"""Shows the control of ComfyUI with a real server, a real client and a simulated ComfyUI, in about half a minute.

Only ComfyUI is simulated: every printed line comes from an answer of the server or of the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from mcp_background_job.processes.wrapper import ProcessWrapper
from tests.comfyui.talk import wait_until_silent
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator


def main() -> None:
    """Run the demonstration."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="mcp-background-job-demo-") as directory,
        Simulator.start(anew=True) as simulator,
    ):
        asyncio.run(_demonstrate(directory, simulator))
    _say(f"\nThat was all, in {time.monotonic() - began:.0f} s. Nothing of it is left running.")


async def _demonstrate(directory: str, simulator: Simulator) -> None:
    _say(f"Somebody has started a (simulated) ComfyUI as process {simulator.pid} on port {simulator.port}.")
    async with _client(directory, simulator.port) as client:
        try:
            await _render(client)
            await _fail(client)
            await _cancel(client)
            await _restart(client, simulator)
        finally:
            await _call(client, "stop_comfyui", force=True)


async def _render(client: Client[Any]) -> None:
    _promise("A render is submitted, watched and waited for")
    submitted = await _call(
        client, "comfyui_submit", workflow=graphs.with_output(graphs.stepped(20, 0.15)), note="portrait", wait_s=1.5
    )
    while "progress" not in submitted:
        submitted = await _call(client, "comfyui_job", prompt_id=submitted["prompt_id"], wait_s=0.2)
    _show(f"{submitted['status']}: {submitted['progress']} (from the {submitted['progress_from']})")
    done = await _call(client, "comfyui_job", prompt_id=submitted["prompt_id"], wait_s=30)
    _show(f"{done['status']} after {done['duration_s']} s: {', '.join(file['file'] for file in done['outputs'])}")


async def _fail(client: Client[Any]) -> None:
    _promise("What fails says why, and what cannot run is refused node by node")
    failed = await _call(client, "comfyui_submit", workflow=graphs.out_of_memory(), wait_s=10)
    _show(f"{failed['status']} at node {failed['error']['node']}: {failed['error']['type']}")
    refused = await _call(client, "comfyui_submit", workflow=graphs.load_checkpoint("missing.safetensors"))
    _show(f"{refused['status']}: {refused['node_errors'][0]}")


async def _cancel(client: Client[Any]) -> None:
    _promise("A cancel is verified, and touches no other prompt")
    long = await _call(client, "comfyui_submit", workflow=graphs.stepped(1000, 0.3), note="too long", wait_s=1)
    other = await _call(client, "comfyui_submit", workflow=graphs.stepped(2, 0.1), note="the next one", wait_s=0)
    cancelled = await _call(client, "comfyui_cancel_job", prompt_id=long["prompt_id"])
    _show(f"the long one: {cancelled['status']} after {cancelled['took_s']} s, {cancelled['interrupts']} interrupt")
    _show(f"the next one: {(await _call(client, 'comfyui_job', prompt_id=other['prompt_id'], wait_s=10))['status']}")


async def _restart(client: Client[Any], simulator: Simulator) -> None:
    _promise("What no HTTP call can stop is named, and restarted with its queue carried over")
    child = graphs.spawn_child(ignore_sigterm=True)
    await _call(client, "comfyui_submit", workflow=child, note="leaves a child that ignores SIGTERM", wait_s=5)
    tree = psutil.Process(simulator.pid).children(recursive=True)
    children = [ProcessWrapper(process.pid) for process in tree]
    # The gate holds it back until the next prompt waits: once it holds the GIL, nothing can be submitted.
    gate = simulator.directory / "gate"
    holding = graphs.chain(graphs.gated(gate), graphs.gil_hold(200))
    wedging = await _call(client, "comfyui_submit", workflow=holding, note="holds the GIL", wait_s=0)
    pending = await _call(
        client, "comfyui_submit", workflow=graphs.with_output(graphs.stepped(5, 0.1)), note="waits", wait_s=0
    )
    gate.touch()
    await asyncio.to_thread(wait_until_silent, simulator)
    cancelled = await _call(client, "comfyui_cancel_job", prompt_id=wedging["prompt_id"])
    _show(f"cancel: {cancelled['status']} ({cancelled['wedge']}) after {cancelled['took_s']} s: {cancelled['advice']}")
    restarted = await _call(client, "restart_comfyui", force=True, requeue="pending")
    _show(f"restart: {restarted['status']} in {restarted['took_s']} s, as process {restarted['pid']}")
    alive = [child.pid for child in children if child.is_alive()]
    _show(f"of the old process {restarted['old_pid']} and its children live now: {alive or 'none'}")
    for what, prompt in (("the one that held it", wedging), ("the one that waited", pending)):
        job = await _call(client, "comfyui_job", prompt_id=prompt["prompt_id"], wait_s=20)
        _show(f"{what}: {job['status']}")


@contextlib.asynccontextmanager
async def _client(directory: str, port: int) -> AsyncGenerator[Client[Any]]:
    environment = {**os.environ, "MCP_BG_STATE_DIR": str(Path(directory) / "state"), "COMFYUI_PORT": str(port)}
    transport = StdioTransport(sys.executable, ["-m", "mcp_background_job"], env=environment)
    async with Client(transport) as client:
        yield client


async def _call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments, raise_on_error=False)).structured_content or {}


def _promise(text: str) -> None:
    _say(f"\n* {text}")


def _show(text: str) -> None:
    _say(f"    {text}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
