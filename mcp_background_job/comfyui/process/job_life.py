"""Facts about a server that runs as a job on another machine: from the job's record, and from its runner there."""

from __future__ import annotations

import time

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import UnknownJobError
from mcp_background_job.jobs.manager import JobManager

#: Seconds: over a shorter time, processor usage tells nothing, since the runner takes a sample every few seconds.
_SHORTEST_S = 5.0


class JobLife:
    """The life of one server, which is the life of its job: a restarted server is another job."""

    def __init__(self, manager: JobManager, job_id: str) -> None:
        """Takes the job's id."""
        self._manager = manager
        self.job_id = job_id
        self._first: tuple[float, float] | None = None

    async def began(self) -> float | None:
        """Return when the job started (seconds since the epoch); ``None`` if it has not, or that is unknown."""
        try:
            return (await self._manager.find(self.job_id)).started_at
        except UnknownJobError:
            return None

    async def is_over(self) -> bool | None:
        """Tell whether the job has certainly ended; ``None`` if its fate is unknown."""
        try:
            job = await self._manager.find(self.job_id)
        except UnknownJobError:
            return None
        if job.state is not State.EXITED:
            return False
        return None if job.outcome is Outcome.LOST else True

    async def cpu_share(self) -> tuple[float, float] | None:
        """Return the share of one processor used since the first call, and the seconds since then.

        ``None`` if the first call was recent, or the job's runner does not tell.
        """
        usage = await self._manager.places.usage(self.job_id)
        if usage is None:
            return None
        now = time.monotonic()
        if self._first is None:
            self._first = (now, usage.cpu_s)
        since, used = self._first
        return (max(0.0, usage.cpu_s - used) / (now - since), now - since) if now - since >= _SHORTEST_S else None
