"""What the tests of lists and of the history share: the parts that list the prompts of one server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_background_job.comfyui.process.process import Baselines
from mcp_background_job.comfyui.prompts.catalogue import Among, Catalogue, Explained, Listing
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.prompts.history import History
from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.prompts.submit import Submitter
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import endpoint_of
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.registry.sessions import SqliteSessions
from tests.comfyui.prompts.cancel_support import QUICK, no_inputs
from tests.comfyui.talk import entry, running
from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S, until

#: As the control has it where a long list is not looked at.
LIMIT = 20


@dataclass
class Lists:
    """The parts that list the prompts of one server."""

    journal: SqliteJournal
    sessions: SqliteSessions
    batches: SqliteBatches
    prompts: Prompts
    submitter: Submitter
    catalogue: Catalogue
    history: History
    server: str

    async def submit(self, graph: Any, *, note: str = "", session_id: str | None = None, wait_s: float = 0.0) -> str:
        """Submit a graph; returns its id, whether it was taken or refused."""
        submitted = await self.submitter.submit(workflow.of_api(graph), note=note, session_id=session_id, wait_s=wait_s)
        return submitted.prompt_id

    async def run(self, graph: Any, **told: Any) -> str:
        """Submit a graph, and return at its end."""
        return await self.submit(graph, wait_s=PATIENCE_S, **told)

    def waiting(self, *names: str, batch_id: str = "b1") -> None:
        """Make a batch that nobody works on."""
        prompts = [
            Submission(
                prompt_id=name,
                server=self.server,
                submitted_at=1.0,
                graph="",
                stage=Stage.WAITING,
                batch_id=batch_id,
                position=place,
                graph_id=f"{batch_id}/0",
            )
            for place, name in enumerate(names)
        ]
        batch = Batch(batch_id=batch_id, server=self.server, created_at=1.0)
        self.batches.create(batch, prompts, {f"{batch_id}/0": ("{}", "{}")})

    async def list(self, *statuses: str, limit: int = LIMIT, **among: str) -> Listing:
        return await self.catalogue.list(statuses=statuses, among=Among(**among), limit=limit)

    async def told(self, *statuses: str, limit: int = LIMIT, **among: str) -> list[tuple[str, str]]:
        """Return ids and statuses in the order of the list, in which nothing may be missing."""
        listing = await self.list(*statuses, limit=limit, **among)
        assert listing.trouble is None
        return [(row.prompt.prompt_id, row.prompt.status) for row in listing.rows]

    async def errors(self, limit: int = LIMIT, **among: str) -> list[Explained]:
        explained, trouble = await self.catalogue.errors(among=Among(**among), limit=limit)
        assert trouble is None
        return explained


@contextlib.asynccontextmanager
async def lists_of(port: int, directory: Path) -> AsyncGenerator[Lists]:
    """List the prompts of what listens on a port."""
    endpoint = endpoint_of(None, "127.0.0.1", port)
    client, journal, events = Client(endpoint), SqliteJournal(str(directory / "comfyui.sqlite3")), EventStream(endpoint)
    sessions = SqliteSessions(journal.database)
    prompts = Prompts(client, journal, events)
    events.when_over(prompts.get)
    submitter = Submitter(
        client, journal, events, prompts, Baselines(directory / "comfyui"), inputs=no_inputs(prompts, endpoint)
    )
    catalogue = Catalogue(client, journal, sessions, prompts)
    history = History(client, journal, prompts)
    batches = SqliteBatches(journal.database)
    try:
        yield Lists(journal, sessions, batches, prompts, submitter, catalogue, history, endpoint.url)
    finally:
        await events.close_for_good()
        await client.close()
        journal.close()


@contextlib.asynccontextmanager
async def listed(directory: Path, *flags: str) -> AsyncGenerator[tuple[Lists, Simulator]]:
    """Start a simulator and list its prompts."""
    with await asyncio.to_thread(Simulator.start, *QUICK, *flags) as simulator:
        async with lists_of(simulator.port, directory) as lists:
            yield lists, simulator


async def until_over(simulator: Simulator, prompt_id: str) -> None:
    """Wait for the end of a prompt, by the word of the server."""

    async def is_over() -> bool:
        return await asyncio.to_thread(entry, simulator, prompt_id) is not None

    await until(is_over, f"the end of {prompt_id}")


async def until_runs(simulator: Simulator, prompt_id: str) -> None:
    """Wait until a prompt runs, by the word of the server."""

    async def runs() -> bool:
        return prompt_id in await asyncio.to_thread(running, simulator)

    await until(runs, f"{prompt_id} runs")
