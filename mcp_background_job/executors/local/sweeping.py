"""Has new runners clear away the remains of jobs whose runners died."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from mcp_background_job.errors import LaunchError
from mcp_background_job.executors import lanes, looping
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.executors.local.waking import wake
from mcp_background_job.jobdir.layout import JobDir


class Sweeping:
    """Clears up after dead runners."""

    def __init__(
        self, store: LocalStore, launch: Callable[[JobDir], Awaitable[object]], background: Background
    ) -> None:
        """Takes its parts, and a function that launches a runner."""
        self._store = store
        self._launch = launch
        self._background = background
        self._under_way: set[str] = set()

    async def sweep(self, job_id: str) -> None:
        """Have a new runner clear away what a dead one left, and record that the job is lost; waits for that."""
        with contextlib.suppress(LaunchError):  # the next look tries again; the job shows as lost until then
            await self._launch(self._store.job(job_id))

    def sweep_later(self, job_id: str) -> None:
        """Do the same on the event loop, without waiting, and at most once at a time per job."""
        if job_id in self._under_way:
            return
        self._under_way.add(job_id)

        async def sweep() -> None:
            try:
                await self.sweep(job_id)
            finally:
                self._under_way.discard(job_id)

        self._background.go_on(sweep())

    async def sweep_the_dead(self) -> None:
        """Begin to sweep after each dead runner of a job that is not known to have ended.

        Suspended runners are woken.
        """
        if dead := await lanes.look(self._dead):
            await looping.needed()
            for job_id in dead:
                self.sweep_later(job_id)

    def _dead(self) -> list[str]:
        dead: list[str] = []
        for job_id in self._store.open_jobs():
            seen = self._store.observe(job_id)
            if seen.sweep:
                dead.append(job_id)
            elif seen.runner_pid:
                wake(self._store, job_id, seen.runner_pid)
        return dead
