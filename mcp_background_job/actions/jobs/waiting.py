"""The action that waits for jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mcp_background_job.actions.arguments import Wait, wait_of
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.facts import log_facts
from mcp_background_job.actions.jobs.report import JobResult, JobsResult, job_result
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.wait import Waited

#: Characters of output for each of several jobs that were waited for.
_BUDGET_OF_SEVERAL = 1500


@dataclass(frozen=True, kw_only=True)
class WaitFor:
    """Jobs to be waited for, and until what."""

    job_id: Annotated[str | list[str], Field(description="id or name, or several")]
    until: Annotated[str, Field(description='"exit", a regex in the output, "port:8080" or "idle:10" (s)')] = "exit"
    fail_on: Annotated[str | None, Field(description="regex that ends the wait as failed")] = None
    wait_s: Annotated[float, Field(description="max 50")] = 25
    mode: Annotated[Literal["all", "any"], Field(description="of several jobs")] = "all"
    cursor: Annotated[int, Field(description="look for the regex, and return output, from here")] = 0


class Waiting:
    """``wait_for_job``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes what it works on."""
        self._manager = manager

    async def wait_for_job(self, caller: Caller, request: WaitFor) -> JobResult | JobsResult:
        """Wait until a job ends, prints something, opens a port or falls silent. One call instead of polling.

        The end of the job always ends the wait; "why" says what did. On timeout just call again.
        """
        wait = wait_of(request.wait_s, request.until, request.fail_on, since=request.cursor)
        if isinstance(request.job_id, str):
            return await self._one(caller, request.job_id, wait, request.cursor)
        return await self._several(caller, request.job_id, wait, for_all=request.mode == "all")

    async def _one(self, caller: Caller, job_id: str, wait: Wait, cursor: int) -> JobResult:
        job = await self._manager.find(job_id)
        waiting = self._manager.wait(job, wait.request)
        waited = await caller.wait_for(waiting, f"waiting for {job.label}", wait.request.wait_s)
        return await self._result(waited, wait.note, cursor=cursor)

    async def _several(self, caller: Caller, job_ids: list[str], wait: Wait, *, for_all: bool) -> JobsResult:
        if not job_ids:
            raise InvalidRequestError("job_id is an empty list: name at least one job")
        jobs = [await self._manager.find(job_id) for job_id in dict.fromkeys(job_ids)]
        waiting = self._manager.wait_for_several(jobs, wait.request, for_all=for_all)
        results = await caller.wait_for(waiting, f"waiting for {len(jobs)} jobs", wait.request.wait_s)
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
            note=note or await note_of(self._manager, waited) or await self._manager.missed_input(job),
            output=excerpt.text,
            next_cursor=excerpt.next,
            **log_facts(self._manager.places.store_of(job.job_id).log_path(job.job_id), excerpt.first),
        )


async def note_of(manager: JobManager, waited: Waited) -> str | None:
    """Return what a caller may not expect of a job that was waited for, and of the way in which that ended."""
    notes: list[str] = []
    if waited.skipped:
        notes.append(f"the search passed over bytes that are missing: {waited.skipped}")
    if told := await manager.note(waited.job, waited.seen):
        notes.append(told)
    return "; ".join(notes) or None
