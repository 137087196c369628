"""What tests of pools share: several ComfyUIs whose ledgers outlive them, and one control of all."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from mcp_background_job.app import build_comfyui
from mcp_background_job.comfyui.batches import feeder_job
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.batches.making import items_of
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.config import load_comfyui_settings
from mcp_background_job.core.comfyui.batch import TERMINAL
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batches.batch_support import Place, Row, rows_of
from tests.comfyui.lifecycle.lifecycle_support import end_all_jobs
from tests.comfyui_simulator.nodes.graphs import Graph
from tests.nursery.starts import NURSERY
from tests.patience import until


@dataclass
class Pool:
    """Several ComfyUIs, their control, and the state directory of all."""

    comfyui: ComfyUI
    places: list[Place]
    state_dir: str

    async def create(self, graph: Graph, count: int, **options: Any) -> str:
        """Make a batch of so many prompts of one workflow; returns its id."""
        items = items_of([workflow.of_api(graph)], {"1.inputs.seed": list(range(count))}, "product")
        return (await self.comfyui.batches.create(items, client="test", **options)).batch.batch_id

    async def create_of(self, several: Sequence[Graph], **options: Any) -> str:
        """Make a batch of these workflows; returns its id."""
        items = items_of([workflow.of_api(graph) for graph in several], {}, "product")
        return (await self.comfyui.batches.create(items, client="test", **options)).batch.batch_id

    async def until(self, batch_id: str, condition: Callable[[BatchView], bool], what: str) -> BatchView:
        """Look at a batch until something is so."""
        seen: list[BatchView] = []

        async def is_so() -> bool:
            seen[:] = [await self.comfyui.batches.view(batch_id)]
            return condition(seen[0])

        await until(is_so, what)
        return seen[0]

    async def over(self, batch_id: str) -> BatchView:
        """Return a batch when it is over."""
        return await self.until(batch_id, lambda view: view.status in TERMINAL, f"the end of batch {batch_id}")

    def rows(self, batch_id: str) -> list[Row]:
        """Return its prompts as they stand in the file."""
        return rows_of(self.state_dir, batch_id)

    def events(self, event: str) -> Counter[str]:
        """Return how often something happened to each prompt, at whatever ComfyUI."""
        return sum((place.ledger.count(event) for place in self.places), Counter[str]())


def settings_of(manager: JobManager, **settings: Any) -> ComfyUI:
    """Return the control that settings make."""
    given = {"url": None, "dir": None, "command": None, "restart_command": None, **settings}
    return build_comfyui(manager, load_comfyui_settings(**given))


@contextlib.asynccontextmanager
async def pool(
    directory: Path,
    state_dir: str,
    manager: JobManager,
    count: int = 2,
    *,
    flags: tuple[str, ...] = (),
    **settings: Any,
) -> AsyncGenerator[Pool]:
    """Start simulators, and control them as a pool; afterwards nothing of all is left."""
    folders = [directory / f"comfyui-{number}" for number in range(count)]
    for folder in folders:
        folder.mkdir()
    places = await asyncio.gather(*(asyncio.to_thread(Place.open, folder, *flags, anew=False) for folder in folders))
    python = await asyncio.to_thread(NURSERY.python)
    try:
        with patch.object(feeder_job, "sys", SimpleNamespace(executable=python)):
            urls = " ".join(f"http://127.0.0.1:{place.port}" for place in places)
            comfyui = settings_of(manager, urls=urls, **settings)
            try:
                yield Pool(comfyui, list(places), state_dir)
            finally:
                await comfyui.close()
                await end_all_jobs(manager)
    finally:
        for place in places:
            await asyncio.to_thread(place.close)


async def soon(condition: Callable[[], bool], what: str) -> None:
    """Wait for what nobody announces."""

    async def is_so() -> bool:
        return condition()

    await until(is_so, what)


@contextlib.contextmanager
def opened(gate: Path) -> Generator[None]:
    """Open the gate of gated prompts in the end, so that no ComfyUI is left with one."""
    try:
        yield
    finally:
        gate.touch()
