"""Serves the queue of a state directory from this process; runners serve it too."""

from __future__ import annotations

import asyncio

from mcp_background_job.executors import lanes
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.local.beginning import Beginning
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.jobdir.claims import Claim
from mcp_background_job.jobdir.queue import due
from mcp_background_job.jobdir.read_only import unless_read_only


class Queue:
    """The jobs that wait for their turn."""

    def __init__(self, store: LocalStore, beginning: Beginning, background: Background) -> None:
        """Takes its parts."""
        self._store = store
        self._beginning = beginning
        self._background = background

    async def serve(self) -> dict[str, asyncio.Task[None]]:
        """Start what may start now; returns the launches, by job id, which go on without being waited for."""
        loop = asyncio.get_running_loop()
        launched: dict[str, asyncio.Task[None]] = {}

        def launch(claim: Claim) -> None:
            launched[claim.job.job_id] = self._background.go_on(self._beginning.begin_claimed(claim))

        def serve() -> None:
            with unless_read_only():
                for claim in due(self._store.state, self._store.boot_id):
                    loop.call_soon_threadsafe(launch, claim)

        await lanes.write(serve)
        return launched
