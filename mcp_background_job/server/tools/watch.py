"""Tools that look at jobs and wait for them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mcp_background_job.core.states import STATUSES
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.wait import Waited
from mcp_background_job.server.context import with_progress
from mcp_background_job.server.results import (
    JobResult,
    JobsResult,
    StatusResult,
    job_result,
    list_row,
    status_result,
)
from mcp_background_job.server.tools.arguments import Wait, wait_of
from mcp_background_job.server.tools.start import note_of

#: Characters of output for each of several jobs that were waited for.
_BUDGET_OF_SEVERAL = 1500

_MAX_LIMIT = 200


class WatchTools:
    """``wait_for_job``, ``get_job_status`` and ``list_jobs``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes what the tools work on."""
        self._manager = manager

    async def wait_for_job(
        self,
        job_id: Annotated[str | list[str], Field(description="id or name, or several")],
        *,
        until: Annotated[
            str, Field(description='"exit", a regex in the output, "port:8080" or "idle:10" (s)')
        ] = "exit",
        fail_on: Annotated[str | None, Field(description="regex that ends the wait as failed")] = None,
        wait_s: Annotated[float, Field(description="max 50")] = 25,
        mode: Annotated[Literal["all", "any"], Field(description="of several jobs")] = "all",
        cursor: Annotated[int, Field(description="look for the regex, and return output, from here")] = 0,
    ) -> JobResult | JobsResult:
        """Wait until a job ends, prints something, opens a port or falls silent. One call instead of polling.

        The end of the job always ends the wait; "why" says what did. On timeout just call again.
        """
        wait = wait_of(wait_s, until, fail_on, since=cursor)
        if isinstance(job_id, str):
            return await self._one(job_id, wait, cursor)
        return await self._several(job_id, wait, for_all=mode == "all")

    async def _one(self, job_id: str, wait: Wait, cursor: int) -> JobResult:
        job = await self._manager.find(job_id)
        waited = await with_progress(
            self._manager.wait(job, wait.request), f"waiting for {job.label}", wait.request.wait_s
        )
        return await self._result(waited, wait.note, cursor=cursor)

    async def _several(self, job_ids: list[str], wait: Wait, *, for_all: bool) -> JobsResult:
        if not job_ids:
            raise InvalidRequestError("job_id is an empty list: name at least one job")
        jobs = [await self._manager.find(job_id) for job_id in dict.fromkeys(job_ids)]
        results = await with_progress(
            self._manager.wait_for_several(jobs, wait.request, for_all=for_all),
            f"waiting for {len(jobs)} jobs",
            wait.request.wait_s,
        )
        rows = [await self._result(waited, None, budget=_BUDGET_OF_SEVERAL) for waited in results]
        return JobsResult(jobs=[row.model_dump(exclude_none=True) for row in rows], note=wait.note)

    async def _result(
        self, waited: Waited, note: str | None, *, cursor: int = 0, budget: int | None = None
    ) -> JobResult:
        job = waited.job
        excerpt = await self._manager.excerpt(job, since=cursor, **({} if budget is None else {"budget": budget}))
        return job_result(
            job,
            why=waited.why,
            line=waited.line,
            note=note or note_of(waited),
            output=excerpt.text,
            next_cursor=excerpt.next,
            log_path=self._manager.executor.log_path(job.job_id),
        )

    async def get_job_status(self, job_id: str) -> StatusResult:
        """Status of a job now: exit code and reason, pid, CPU, memory, processes, ports, size and age of output."""
        return status_result(await self._manager.details(job_id))

    async def list_jobs(
        self,
        status: Annotated[str | None, Field(description=f"one or more of {', '.join(STATUSES)}")] = None,
        name: str | None = None,
        limit: int = 20,
        cursor: int = 0,
    ) -> JobsResult:
        """List jobs, newest first, those of earlier sessions too."""
        if not 0 < limit <= _MAX_LIMIT or cursor < 0:
            raise InvalidRequestError(f"limit={limit}, cursor={cursor}: limit is 1 to {_MAX_LIMIT}, cursor from 0")
        statuses = tuple(part.strip() for part in (status or "").split(",") if part.strip())
        jobs = await self._manager.list(statuses=statuses, name=name, limit=limit + 1, offset=cursor)
        more = len(jobs) > limit
        return JobsResult(
            jobs=[list_row(job) for job in jobs[:limit]],
            next_cursor=cursor + limit if more else None,
            note=self._manager.index.filling,
        )
