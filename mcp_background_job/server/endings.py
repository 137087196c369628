"""Tells each client, once, how its jobs ended: at the top of whatever it is answered next.

MCP has no way to wake a model. So an ending waits for the next call, and the memory of what was told is on disk, since
the server may be another by then.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.results import ending

#: Endings in one answer; more are summed up.
_MAX_TOLD = 5


class Endings:
    """What the clients of this server have not been told yet."""

    def __init__(self, manager: JobManager) -> None:
        """Knows nothing until a client calls."""
        self._manager = manager
        self._pending: dict[str, set[str]] = {}

    def expect(self, client: str, job_id: str) -> None:
        """Remember to tell the client how this job of its ends."""
        self._pending.setdefault(client, set()).add(job_id)

    async def of_others(self, client: str, shown: Collection[str]) -> list[str]:
        """Return the endings to tell; those of the jobs that the answer shows anyhow are told with it."""
        pending = self._pending.get(client)
        if pending is None:
            pending = self._pending[client] = await self._left_over(client)
        ended = {job_id for job_id in pending if self._has_ended(job_id)}
        if not ended:
            return []
        pending -= ended
        return _sentences(await self._manager.index.take_endings(client, ended, shown))

    async def _left_over(self, client: str) -> set[str]:
        """Jobs of this client that an earlier server has started and whose end nobody has told."""
        await self._manager.index.sync()
        return await self._manager.index.call(
            lambda registry: {job.job_id for job in registry.unseen_endings(client)}
            | {job.job_id for job in registry.unended() if job.client == client}
        )

    def _has_ended(self, job_id: str) -> bool:
        job = self._manager.executor.state.job(job_id)
        return os.path.exists(job.exit) or not os.path.exists(job.path)


def _sentences(jobs: list[Job]) -> list[str]:
    told = [ending(job) for job in jobs[-_MAX_TOLD:] if job.state is State.EXITED]
    more = len(jobs) - len(told)
    return [f"{more} more jobs ended (list_jobs)", *told] if more > 0 else told
