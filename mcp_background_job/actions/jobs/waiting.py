"""The action that waits for jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mcp_background_job.actions.arguments import Wait, wait_of
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.answering import IN_ANY_CASE, Answering, Budget, Turn
from mcp_background_job.actions.jobs.report import JobResult, JobsResult
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.opening import Opened
from mcp_background_job.actions.runs.beside import RunsToo
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobdir.layout import is_run_id
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import NEWS_BUDGET
from mcp_background_job.jobs.waiting.wait import Waited

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager

#: Characters of output for each of several jobs that were waited for.
_BUDGET_OF_SEVERAL = 1500

#: Several share the characters of a wait that is not over, but for what is too little to say anything.
_LEAST_OF_SEVERAL = 200


@dataclass(frozen=True, kw_only=True)
class WaitFor:
    """Jobs to be waited for, and until what."""

    job_id: Annotated[Word | list[Word], Field(description="id or name, or several; run ids too")]
    until: Annotated[
        str, Field(description='"exit", regex in the output, "port:8080", "http://…" (answers) or "idle:10" (s)')
    ] = "exit"
    fail_on: Annotated[str | None, Field(description="regex that ends the wait as failed")] = None
    wait_s: Annotated[float, Field(description="max 50")] = 25
    mode: Annotated[Literal["all", "any"], Field(description="of several jobs")] = "all"
    cursor: Annotated[
        int | None, Field(description="search and show output from here, not from what you were told last")
    ] = None


class Waiting:
    """``wait_for_job``."""

    def __init__(self, manager: JobManager, runs: Opened[RunManager] | None = None) -> None:
        """Takes what it works on, and what opens the runs that may be waited for with jobs."""
        self._manager = manager
        self._runs = RunsToo(manager, runs) if runs else None
        self._answering = Answering(manager)

    async def wait_for_job(self, caller: Caller, request: WaitFor) -> JobResult | JobsResult:
        """Wait until a job ends, prints something, opens a port or falls silent. One call instead of polling.

        Returns output that is new to you. The end of the job always ends the wait; "why" says what did. On timeout just
        call again: an expression is looked for behind its last match that you were told.
        """
        wait = wait_of(request.wait_s, request.until, request.fail_on)
        if request.cursor is not None and request.cursor < 0:
            raise InvalidRequestError(f"cursor={request.cursor}: an offset is 0 or more")
        named = [request.job_id] if isinstance(request.job_id, str) else list(dict.fromkeys(request.job_id))
        if self._runs and any(map(is_run_id, named)):
            return await self._with_runs(self._runs, caller, named, wait, request)
        if isinstance(request.job_id, str):
            return await self._one(caller, request.job_id, wait, request.cursor)
        return await self._several(caller, request.job_id, wait, request.cursor, for_all=request.mode == "all")

    async def _one(self, caller: Caller, job_id: str, wait: Wait, cursor: int | None) -> JobResult:
        job = await self._manager.find(job_id, caller.looks)
        (turn,) = await self._answering.turns(caller, [job], wait.request, cursor=cursor)
        waiting = self._manager.wait(job, turn.request)
        waited = await caller.wait_for(waiting, f"waiting for {job.label}", wait.request.wait_s)
        budget = Budget() if cursor is None else IN_ANY_CASE
        return await self._answering.result(caller, waited, turn, notes=[*wait.notes, *notes_of(waited)], budget=budget)

    async def _several(
        self, caller: Caller, job_ids: list[str], wait: Wait, cursor: int | None, *, for_all: bool
    ) -> JobsResult:
        if not job_ids:
            raise InvalidRequestError("job_id is an empty list: name at least one job")
        jobs = [await self._manager.find(job_id, caller.looks) for job_id in dict.fromkeys(job_ids)]
        turns = await self._answering.turns(caller, jobs, wait.request, cursor=cursor)
        waiting = self._manager.wait_for_several([(turn.job, turn.request) for turn in turns], for_all=for_all)
        results = await caller.wait_for(waiting, f"waiting for {len(jobs)} jobs", wait.request.wait_s)
        rows = await self._rows(caller, results, turns)
        return JobsResult(jobs=rows, note="; ".join(wait.notes) or None)

    async def _with_runs(
        self, runs: RunsToo, caller: Caller, named: list[str], wait: Wait, request: WaitFor
    ) -> JobsResult:
        run_ids = [name for name in named if is_run_id(name)]
        jobs = [await self._manager.find(name, caller.looks) for name in named if not is_run_id(name)]
        turns = await self._answering.turns(caller, jobs, wait.request, cursor=request.cursor)
        pairs = [(turn.job, turn.request) for turn in turns]
        waiting = runs.wait(caller, run_ids, pairs, wait.request.wait_s, for_all=request.mode == "all")
        ended, results = await caller.wait_for(waiting, f"waiting for {len(named)} jobs and runs", wait.request.wait_s)
        rows = [*(runs.row(caller, run) for run in ended), *await self._rows(caller, results, turns)]
        return JobsResult(jobs=rows, note="; ".join(wait.notes) or None)

    async def _rows(self, caller: Caller, results: list[Waited], turns: list[Turn]) -> list[dict[str, Any]]:
        budget = Budget(news=_BUDGET_OF_SEVERAL, no_news=max(_LEAST_OF_SEVERAL, NEWS_BUDGET // max(1, len(turns))))
        rows = [
            await self._answering.result(caller, waited, turn, notes=notes_of(waited), budget=budget)
            for waited, turn in zip(results, turns, strict=True)
        ]
        return [row.model_dump(exclude_none=True) for row in rows]


def notes_of(waited: Waited) -> list[str]:
    """Return what a caller may not expect of the way in which a wait ended."""
    notes: list[str] = []
    if waited.hint:
        notes.append(waited.hint)
    if waited.skipped:
        notes.append(f"the search passed over bytes that are missing: {waited.skipped}")
    return notes
