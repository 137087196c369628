"""Actions that look at jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mcp_background_job.actions.arguments import several
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.report import JobsResult, StatusResult, list_row, status_result
from mcp_background_job.core.states import STATUSES
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager

_MAX_LIMIT = 200


@dataclass(frozen=True, kw_only=True)
class Look:
    """A job to look at."""

    job_id: str


@dataclass(frozen=True, kw_only=True)
class List:
    """Jobs to be listed."""

    status: Annotated[str | None, Field(description=f"one or more of {', '.join(STATUSES)}")] = None
    name: str | None = None
    limit: int = 20
    cursor: int = 0


class Looking:
    """``get_job_status`` and ``list_jobs``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes what it works on."""
        self._manager = manager

    async def get_job_status(self, _caller: Caller, request: Look) -> StatusResult:
        """Status of a job now: exit code and reason, pid, CPU, memory, processes, ports, size and age of output."""
        return status_result(await self._manager.details(request.job_id))

    async def list_jobs(self, _caller: Caller, request: List) -> JobsResult:
        """List jobs, newest first, those of earlier sessions too."""
        limit, cursor = request.limit, request.cursor
        if not 0 < limit <= _MAX_LIMIT or cursor < 0:
            raise InvalidRequestError(f"limit={limit}, cursor={cursor}: limit is 1 to {_MAX_LIMIT}, cursor from 0")
        jobs = await self._manager.list(
            statuses=several(request.status), name=request.name, limit=limit + 1, offset=cursor
        )
        more = len(jobs) > limit
        jobs = jobs[:limit]
        notes = await self._manager.notes(jobs)
        return JobsResult(
            jobs=[list_row(job, notes.get(job.job_id)) for job in jobs],
            next_cursor=cursor + limit if more else None,
            note=self._manager.index.filling,
        )
