"""The action that looks at a job."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.report import StatusResult, status_result
from mcp_background_job.actions.meant import Word
from mcp_background_job.jobs.manager import JobManager


@dataclass(frozen=True, kw_only=True)
class Look:
    """A job to look at."""

    job_id: Word


class Looking:
    """``get_job_status``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def get_job_status(self, caller: Caller, request: Look) -> StatusResult:
        """Status of a job now: exit code and reason, pid, CPU, memory, processes, ports, size and age of output."""
        return status_result(await self._manager.details(request.job_id, caller.looks))
