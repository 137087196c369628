"""Tells each client, once, how its jobs ended: at the top of whatever it is answered next.

MCP has no way to wake a model. So an ending waits for the next call, and the memory of what was told is on disk, since
the server may be another by then.
"""

from __future__ import annotations

from collections.abc import Collection

from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.job import Job, ending
from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.view import observed

#: Endings in one answer; more are summed up.
_MAX_TOLD = 5


class Endings:
    """What the clients of this server have not been told yet."""

    def __init__(self, manager: JobManager) -> None:
        """Knows nothing until a client calls."""
        self._manager = manager
        self._pending: dict[str, dict[str, Job]] = {}
        self._started: dict[str, dict[str, Job]] = {}

    def expect(self, caller: Caller, job: Job) -> None:
        """Remember to tell the client how this job of its ends."""
        self._started.setdefault(caller.client, {})[job.job_id] = job

    async def of_others(self, client: str, shown: Collection[str]) -> list[str]:
        """Return the endings to tell; those of the jobs that the answer shows anyhow are told with it."""
        pending = self._pending.get(client)
        if pending is None:
            pending = self._pending[client] = await self._left_over(client)
        pending |= self._started.pop(client, {})
        ended = await lanes.look(self._ended, list(pending.values()))
        ended = [job for job in ended if pending.pop(job.job_id, None)]  # another call may have told it meanwhile
        if not ended:
            return []
        self._manager.index.put_later(ended, seen=True)
        return _sentences([job for job in ended if job.job_id not in shown])

    async def _left_over(self, client: str) -> dict[str, Job]:
        """Jobs of this client that an earlier server has started and whose end nobody has told."""
        await self._manager.index.sync()
        jobs = await self._manager.index.call(
            lambda registry: [
                *registry.unseen_endings(client),
                *(job for job in registry.unended() if job.client == client),
            ]
        )
        return {job.job_id: job for job in jobs}

    def _ended(self, jobs: list[Job]) -> list[Job]:
        places = self._manager.places
        ended = [job for job in jobs if places.store_of(job.job_id).is_over(job.job_id)]
        seen = places.look([job.job_id for job in ended])
        return [observed(job, seen[job.job_id]) if job.job_id in seen else job for job in ended]


def _sentences(jobs: list[Job]) -> list[str]:
    told = [ending(job) for job in jobs[-_MAX_TOLD:] if job.state is State.EXITED]
    more = len(jobs) - len(told)
    return [f"{more} more jobs ended (list_jobs)", *told] if more > 0 else told
