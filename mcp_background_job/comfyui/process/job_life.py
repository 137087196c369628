"""What is known of a server that runs as a job on another machine: by the job's record, and by its runner there."""

from __future__ import annotations

import time

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import UnknownJobError
from mcp_background_job.jobs.manager import JobManager

#: A shorter time says nothing of how much of a processor is used: the runner takes a sample every few seconds.
_SHORTEST_S = 5.0


class JobLife:
    """The life of one server, which is that of its job: a server that is started again is another job."""

    def __init__(self, manager: JobManager, job_id: str) -> None:
        """Names the job."""
        self._manager = manager
        self.job_id = job_id
        self._first: tuple[float, float] | None = None

    async def began(self) -> float | None:
        """Return when it began (seconds since the epoch); ``None`` if it has not, or nobody knows."""
        try:
            return (await self._manager.find(self.job_id)).started_at
        except UnknownJobError:
            return None

    async def is_over(self) -> bool | None:
        """Tell whether it has surely ended; ``None`` if nobody knows what became of it."""
        try:
            job = await self._manager.find(self.job_id)
        except UnknownJobError:
            return None
        if job.state is not State.EXITED:
            return False
        return None if job.outcome is Outcome.LOST else True

    async def cpu_share(self) -> tuple[float, float] | None:
        """Return how much of one processor it has used since the first time that this was asked, and over how long.

        ``None`` if that was not long ago, or its runner does not say.
        """
        usage = await self._manager.places.usage(self.job_id)
        if usage is None:
            return None
        now = time.monotonic()
        if self._first is None:
            self._first = (now, usage.cpu_s)
        since, used = self._first
        return (max(0.0, usage.cpu_s - used) / (now - since), now - since) if now - since >= _SHORTEST_S else None
