"""Serves the queue of a state directory from this process; runners serve it too."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from mcp_background_job.executors import lanes, looping
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.jobdir.claims import Claim
from mcp_background_job.jobdir.queue import due
from mcp_background_job.jobdir.read_only import unless_read_only

if TYPE_CHECKING:
    import asyncio


class Queue:
    """The jobs that wait for their turn."""

    def __init__(
        self, store: LocalStore, begin: Callable[[Claim], Coroutine[Any, Any, object]], background: Background
    ) -> None:
        """Takes its parts, and a function that begins a claimed job."""
        self._store = store
        self._begin = begin
        self._background = background

    async def serve(self) -> dict[str, asyncio.Task[None]]:
        """Start the jobs that may start now; returns their launches, by job id, without waiting for them."""
        if looping.is_absent():
            return await self._launched(self._claimed())
        await looping.needed()
        import asyncio  # noqa: PLC0415  see ``looping``

        loop = asyncio.get_running_loop()
        launched: dict[str, asyncio.Task[None]] = {}

        def launch(claim: Claim) -> None:
            launched[claim.job.job_id] = self._background.go_on(self._begin(claim))

        def serve() -> None:
            with unless_read_only():
                for claim in due(self._store.state, self._store.boot_id):
                    loop.call_soon_threadsafe(launch, claim)

        await lanes.write(serve)
        return launched

    def _claimed(self) -> list[Claim]:
        claims: list[Claim] = []
        with unless_read_only():
            claims.extend(due(self._store.state, self._store.boot_id))
        return claims

    async def _launched(self, claims: list[Claim]) -> dict[str, asyncio.Task[None]]:
        if claims:
            await looping.needed()
        return {claim.job.job_id: self._background.go_on(self._begin(claim)) for claim in claims}
