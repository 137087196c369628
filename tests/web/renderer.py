"""Another process of ours that submits to ComfyUI, as a server of MCP does, while this thread drives a browser."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path
from typing import TypeVar

from mcp_background_job.app import build
from mcp_background_job.comfyui.batches.making import items_of
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.config import load_settings
from tests.comfyui.lifecycle.lifecycle_support import Control, control_of
from tests.comfyui_simulator.nodes.graphs import Graph
from tests.patience import PATIENCE_S

Result = TypeVar("Result")


class Renderer:
    """A control of ComfyUI in an event loop, and a thread, of its own."""

    def __init__(self, control: Control, loop: asyncio.AbstractEventLoop) -> None:
        self._control = control
        self._loop = loop

    def submit(self, graph: Graph, note: str = "", *, client: str = "Claude Code") -> str:
        """Submit a graph; returns its prompt_id, whether it was taken or refused."""
        return self.do(lambda one: _submitted(one, graph, note, client))

    def run(self, graph: Graph, note: str = "") -> str:
        """Submit a graph, and return at its end."""
        return self.do(lambda one: _submitted(one, graph, note, "Claude Code", wait_s=PATIENCE_S))

    def batch(self, graphs: list[Graph], note: str = "") -> str:
        """Submit graphs as a batch; returns its id."""
        return self.do(lambda one: _batched(one, graphs, note))

    def do(self, work: Callable[[Control], Awaitable[Result]]) -> Result:
        """Do something with the control; returns what it returns."""

        async def done() -> Result:
            return await work(self._control)

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(PATIENCE_S)


async def _submitted(control: Control, graph: Graph, note: str, client: str, *, wait_s: float = 0.0) -> str:
    comfyui = control.comfyui
    session = await comfyui.sessions.current("/project")
    submitted = await comfyui.submitter.submit(
        workflow.of_api(graph), note=note, client=client, session_id=session.session_id, wait_s=wait_s
    )
    return submitted.prompt_id


async def _batched(control: Control, graphs: list[Graph], note: str) -> str:
    items = items_of([workflow.of_api(graph) for graph in graphs], {}, "product")
    created = await control.comfyui.batches.create(items, note=note, client="Claude Code", max_queued=2)
    return created.batch.batch_id


@contextlib.contextmanager
def rendering(state_dir: Path, port: int) -> Generator[Renderer]:
    """Render in a thread; afterwards all jobs of the state directory are ended."""
    made: list[Renderer] = []
    begun, over = threading.Event(), threading.Event()

    async def live() -> None:
        async with _control(str(state_dir), port) as control:
            made.append(Renderer(control, asyncio.get_running_loop()))
            begun.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="renderer")
    thread.start()
    try:
        assert begun.wait(PATIENCE_S)
        yield made[0]
    finally:
        over.set()
        thread.join(PATIENCE_S)


@contextlib.asynccontextmanager
async def _control(state_dir: str, port: int) -> AsyncGenerator[Control]:
    manager = build(load_settings(state_dir=state_dir))
    await manager.places.start()
    try:
        async with control_of(manager, port) as control:
            yield control
    finally:
        await manager.places.finish()
        manager.close()


def hostile(what: str) -> str:
    """Return a text that would run, break out or spoof if a page took it for more than a text."""
    return f'{what}<img src=x onerror="alert(1)"><script>alert(1)</script>"\'&lt;\u202e{{{{7*7}}}}'
