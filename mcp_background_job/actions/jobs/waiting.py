"""The action that waits for jobs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mcp_background_job.actions.arguments import Wait, wait_of
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.answering import IN_ANY_CASE, Answering, Budget, Turn
from mcp_background_job.actions.jobs.going import going, is_decided, kept, signs, taken_up
from mcp_background_job.actions.jobs.report import JobResult, JobsResult
from mcp_background_job.actions.later import GoesOn, Going, Later, State
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.opening import Opened
from mcp_background_job.actions.runs.beside import RunsToo
from mcp_background_job.core.waiting import Why
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import NEWS_BUDGET
from mcp_background_job.jobs.waiting.wait import Waited

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager

#: Characters of output for each of several jobs that were waited for.
_BUDGET_OF_SEVERAL = 1500

#: Several jobs share the characters of an unfinished wait; each gets at least so many.
_LEAST_OF_SEVERAL = 200


@dataclass(frozen=True, kw_only=True)
class WaitFor:
    """Jobs to wait for, and the condition."""

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
        """Takes the manager of jobs, and a function that opens the runs that may be waited for with jobs."""
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
        if self._runs and (run_ids := await self._runs.among(named)):
            return await self._with_runs(self._runs, caller, (named, run_ids), wait, request)
        if isinstance(request.job_id, str):
            return await self._one(caller, request.job_id, wait, request.cursor)
        return await self._several(caller, request.job_id, wait, request.cursor, for_all=request.mode == "all")

    async def _one(self, caller: Caller, job_id: str, wait: Wait, cursor: int | None) -> JobResult:
        job = await self._manager.find(job_id, caller.looks)
        (turn,) = await self._answering.turns(caller, [job], wait.request, cursor=cursor)
        waiting = self._manager.wait(job, turn.request)
        waited = await caller.wait_for(waiting, f"waiting for {job.label}", wait.request.wait_s)
        if caller.takes_later and wait.request.wait_s and not is_decided(waited):
            raise GoesOn("", {"kind": "one", "has_cursor": cursor is not None, **_kept([turn], wait)})
        return await self._of_one(caller, waited, turn, wait.notes, has_cursor=cursor is not None)

    async def _of_one(
        self, caller: Caller, waited: Waited, turn: Turn, notes: list[str], *, has_cursor: bool
    ) -> JobResult:
        budget = IN_ANY_CASE if has_cursor else Budget()
        return await self._answering.result(caller, waited, turn, notes=[*notes, *notes_of(waited)], budget=budget)

    async def _several(
        self, caller: Caller, job_ids: list[str], wait: Wait, cursor: int | None, *, for_all: bool
    ) -> JobsResult:
        if not job_ids:
            raise InvalidRequestError("job_id is an empty list: name at least one job")
        jobs = [await self._manager.find(job_id, caller.looks) for job_id in dict.fromkeys(job_ids)]
        turns = await self._answering.turns(caller, jobs, wait.request, cursor=cursor)
        waiting = self._manager.wait_for_several([(turn.job, turn.request) for turn in turns], for_all=for_all)
        results = await caller.wait_for(waiting, f"waiting for {len(jobs)} jobs", wait.request.wait_s)
        if caller.takes_later and wait.request.wait_s and not _are_decided(results, turns, for_all=for_all):
            raise GoesOn("", {"kind": "several", "for_all": for_all, **_kept(turns, wait)})
        rows = await self._rows(caller, results, turns)
        return JobsResult(jobs=rows, note="; ".join(wait.notes) or None)

    async def _with_runs(
        self, runs: RunsToo, caller: Caller, words: tuple[list[str], list[str]], wait: Wait, request: WaitFor
    ) -> JobsResult:
        named, run_ids = words
        for_all = request.mode == "all"
        known = await runs.known(caller, run_ids)
        jobs = [await self._manager.find(job_id, caller.looks) for job_id in named if job_id not in run_ids]
        turns = await self._answering.turns(caller, jobs, wait.request, cursor=request.cursor)
        pairs = [(turn.job, turn.request) for turn in turns]
        waiting = runs.wait(run_ids, pairs, wait.request.wait_s, for_all=for_all, known=known)
        ended, results = await caller.wait_for(waiting, f"waiting for {len(named)} jobs and runs", wait.request.wait_s)
        is_over = runs.are_decided(
            ended, for_all=for_all, known=known, of_jobs=_are_decided(results, turns, for_all=for_all)
        )
        if caller.takes_later and wait.request.wait_s and not is_over:
            about = {"for_all": for_all, "run_ids": run_ids, "known_runs": sorted(known)}
            raise GoesOn("", {"kind": "with_runs", **about, **_kept(turns, wait)})
        rows = [*(runs.row(caller, run) for run in ended), *await self._rows(caller, results, turns)]
        return JobsResult(jobs=rows, note="; ".join(wait.notes) or None)

    async def _rows(self, caller: Caller, results: list[Waited], turns: list[Turn]) -> list[dict[str, Any]]:
        budget = Budget(news=_BUDGET_OF_SEVERAL, no_news=max(_LEAST_OF_SEVERAL, NEWS_BUDGET // max(1, len(turns))))
        rows = [
            await self._answering.result(caller, waited, turn, notes=notes_of(waited), budget=budget)
            for waited, turn in zip(results, turns, strict=True)
        ]
        return [row.model_dump(exclude_none=True) for row in rows]

    # -- later -----------------------------------------------------------------------------------------------------

    @property
    def later(self) -> Later:
        """The operations on a wait that goes on after the call."""
        return Later(self._look, signs=self._signs, subjects=_subjects)

    async def _look(self, caller: Caller, state: State) -> JobResult | JobsResult | Going:
        wait = wait_of(0, state["until"], state["fail_on"])
        turns = [await taken_up(self._manager, wait.request, kept, state["began_at"]) for kept in state["jobs"]]
        pairs = [(turn.job, turn.request) for turn in turns]
        waited = await self._manager.wait_for_several(pairs, for_all=True)  # looks at each, and waits for none
        if state["kind"] == "one":
            if not is_decided(waited[0]):
                return await going(self._manager, waited)
            return await self._of_one(caller, waited[0], turns[0], [], has_cursor=state["has_cursor"])
        for_all = state["for_all"]
        is_over = _are_decided(waited, turns, for_all=for_all)
        rows: list[dict[str, Any]] = []
        if state["kind"] == "with_runs" and self._runs:
            known = set[str](state["known_runs"])
            runs, _ = await self._runs.wait(state["run_ids"], [], 0.0, for_all=True, known=known)
            if not self._runs.are_decided(runs, for_all=for_all, known=known, of_jobs=is_over):
                return self._runs.going(runs, [one.job.label for one in waited if not is_decided(one)])
            rows = [self._runs.row(caller, run) for run in runs]
        elif not is_over:
            return await going(self._manager, waited)
        told = [one if is_decided(one) else dataclasses.replace(one, why=None) for one in waited]
        return JobsResult(jobs=[*rows, *await self._rows(caller, told, turns)])

    def _signs(self, state: State) -> Hashable:
        with_runs = state["kind"] == "with_runs"
        return None if with_runs else signs(self._manager, [one["job_id"] for one in state["jobs"]], state["until"])


def _kept(turns: list[Turn], wait: Wait) -> State:
    return {**wait.asked, "jobs": [kept(turn) for turn in turns], "began_at": time.time() - wait.request.wait_s}


def _subjects(state: State) -> list[str]:
    return [*state.get("run_ids", []), *(kept["job_id"] for kept in state["jobs"])]


def _are_decided(waited: list[Waited], turns: list[Turn], *, for_all: bool) -> bool:
    """Tell whether a wait for all of several jobs, or for any, is over."""
    if for_all:
        return all(map(is_decided, waited))
    pairs = zip(waited, turns, strict=True)
    return any(is_decided(one) and not (turn.request.end_is_known and one.why is Why.EXIT) for one, turn in pairs)


def notes_of(waited: Waited) -> list[str]:
    """Return notes on a wait's end that its caller may not expect."""
    notes: list[str] = []
    if waited.hint:
        notes.append(waited.hint)
    if waited.skipped:
        notes.append(f"the search skipped missing bytes: {waited.skipped}")
    return notes
