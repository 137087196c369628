"""What the tests of cancelling share: the parts of a control for one simulator, and the simulator's own word."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_background_job.comfyui.process.process import Baselines
from mcp_background_job.comfyui.prompts.cancel import Cancelled, Canceller
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.prompts.inputs import Inputs
from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.prompts.submit import Submitter
from mcp_background_job.comfyui.prompts.uploads import Uploads
from mcp_background_job.comfyui.reports.status import status_of
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import Endpoint, endpoint_of
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.journal import JOURNAL
from mcp_background_job.registry.journal_memory import MemoryJournal
from mcp_background_job.registry.uploads import SqliteUploads
from tests.comfyui.talk import ask, entry
from tests.comfyui_simulator.nodes.graphs import Graph
from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S, until

QUICK = ("--startup-delay", "0")
VERSIONS = ["new", "old"]

#: Time after which what nobody announces is looked at again.
_LOOK_AGAIN_S = 0.01


#: What is done with a connection; it is closed afterwards.
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Control:
    """The parts that submit to one server and cancel there."""

    client: Client
    journal: MemoryJournal
    events: EventStream
    prompts: Prompts
    submitter: Submitter
    canceller: Canceller
    baselines: Baselines

    async def submit(self, graph: Graph, *, wait_s: float = 0.0) -> str:
        """Submit a graph that is taken; returns its id."""
        submitted = await self.submitter.submit(workflow.of_api(graph), wait_s=wait_s)
        assert submitted.prompt is not None, submitted.refused
        return submitted.prompt_id

    async def submit_running(self, graph: Graph) -> str:
        """Submit a graph, and return when it runs."""
        prompt_id = await self.submit(graph)
        await self.until_running(prompt_id)
        return prompt_id

    async def until_running(self, prompt_id: str) -> None:
        async def runs() -> bool:
            return (await self.client.queue()).is_running(prompt_id)

        await until(runs, f"{prompt_id} runs")

    async def until_begun(self, prompt_id: str) -> None:
        """Wait until a prompt is heard to have begun: an interrupt that comes before is forgotten."""

        async def has_begun() -> bool:
            return self.events.progress_of(prompt_id) is not None

        await until(has_begun, f"{prompt_id} has begun")

    async def until_over(self, prompt_id: str) -> Any:
        """Return the status of a prompt that ends by itself."""
        prompt = await self.submitter.wait(prompt_id, PATIENCE_S)
        return prompt.status

    async def cancel(self, prompt_id: str | None, *, clear_pending: bool = False) -> Cancelled:
        """Cancel, and hold what is told against the time that it took."""
        began = time.monotonic()
        cancelled = await self.canceller.cancel(prompt_id, clear_pending=clear_pending)
        assert cancelled.took_s <= time.monotonic() - began + 0.1
        return cancelled

    async def look(self) -> None:
        """Look at the server once, as anybody does who asks for its status."""
        await status_of(self.client, self.journal, self.prompts, self.baselines)

    async def close(self) -> None:
        await self.events.close()
        await self.client.close()


def no_inputs(prompts: Prompts, endpoint: Endpoint) -> Inputs:
    """Return what fills inputs where nothing is uploaded and no batch is."""
    uploads = Uploads(endpoint, SqliteUploads(Database(":memory:", JOURNAL)))
    return Inputs(prompts, uploads, lambda _batch_id, _position: None, endpoint)


@contextlib.asynccontextmanager
async def control_of(port: int, directory: Path) -> AsyncGenerator[Control]:
    """Control what listens on a port."""
    endpoint = endpoint_of(None, "127.0.0.1", port)
    client, journal, events = Client(endpoint), MemoryJournal(), EventStream(endpoint)
    prompts = Prompts(client, journal, events)
    events.when_over(prompts.get)
    baselines = Baselines(directory / "comfyui")
    submitter = Submitter(client, journal, events, prompts, baselines, inputs=no_inputs(prompts, endpoint))
    canceller = Canceller(client, journal, events, prompts, baselines)
    control = Control(client, journal, events, prompts, submitter, canceller, baselines)
    try:
        yield control
    finally:
        await control.close()


@contextlib.asynccontextmanager
async def controlled(directory: Path, *flags: str) -> AsyncGenerator[tuple[Control, Simulator]]:
    """Start a simulator and control it."""
    with await asyncio.to_thread(Simulator.start, *QUICK, *flags) as simulator:
        async with control_of(simulator.port, directory) as control:
            yield control, simulator


def end_of(simulator: Simulator, prompt_id: str) -> str | None:
    """Return how the server itself says that a prompt ended: success, interrupted or error; None if it does not."""
    found = entry(simulator, prompt_id)
    if found is None:
        return None
    events = [message[0] for message in found["status"]["messages"]]
    return "interrupted" if "execution_interrupted" in events else found["status"]["status_str"]


def ended_at(simulator: Simulator, prompt_id: str) -> float:
    """Return when the server itself says that a prompt ended."""
    return entry(simulator, prompt_id)["status"]["messages"][-1][1]["timestamp"] / 1000


def queued(simulator: Simulator) -> set[str]:
    """Return what the server itself has in its queue."""
    queue = ask(simulator, "GET", "/queue").json
    return {item[1] for item in (*queue["queue_running"], *queue["queue_pending"])}


@contextlib.asynccontextmanager
async def listening(serve: Serve) -> AsyncGenerator[int]:
    """Serve each connection so, and hang up afterwards."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        with (
            contextlib.closing(writer),
            contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError),
        ):
            await serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = set(tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
