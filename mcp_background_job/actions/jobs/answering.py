"""Answers to waits: the news for this caller, and where its next wait continues."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.facts import log_facts
from mcp_background_job.actions.jobs.report import JobResult, job_result
from mcp_background_job.core.job import Job
from mcp_background_job.core.news import END, OUTPUT, Shown, matches_of
from mcp_background_job.core.states import State
from mcp_background_job.core.text import duration, size
from mcp_background_job.core.values import frozen
from mcp_background_job.core.waiting import Why
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import EXCERPT_BUDGET, MORE_NEWS_BUDGET, NEWS_BUDGET, Excerpt
from mcp_background_job.jobs.waiting.wait import Waited, WaitRequest


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most characters of output in an answer.

    Attributes:
        news: if the awaited event has come.
        no_news: if the wait is not over: a caller that waits for hours asks often. ``None``: the same as ``news``.
    """

    news: int = EXCERPT_BUDGET
    no_news: int | None = NEWS_BUDGET


#: The budget for a caller that asks for output itself.
IN_ANY_CASE = Budget(no_news=None)


@frozen
class Turn:
    """One wait of a caller for a job.

    Attributes:
        job: the job.
        request: the condition of the wait.
        since: offset of the output that is new to the caller.
    """

    job: Job
    request: WaitRequest
    since: int = 0


class Answering:
    """Makes each wait of a caller continue where its last answer ended."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def turns(
        self, caller: Caller, jobs: list[Job], request: WaitRequest, *, cursor: int | None = None
    ) -> list[Turn]:
        """Return the waits for jobs. They continue at the caller's last answer, or at ``cursor`` if it is given."""
        shown = await self._manager.news.shown(caller.reader, [job.job_id for job in jobs])
        return [_turn(job, request, shown[job.job_id], cursor) for job in jobs]

    async def result(
        self,
        caller: Caller,
        waited: Waited,
        turn: Turn,
        *,
        notes: list[str],
        budget: Budget,
        pid: int | None = None,
    ) -> JobResult:
        """Return the result of a wait with the new output, and note that the caller has seen it."""
        job, found = waited.job, waited.found
        brief = budget.no_news if waited.why in (None, Why.TIMEOUT) else None
        if brief is not None and turn.since:
            brief = min(brief, MORE_NEWS_BUDGET)
        excerpt, told = await self._shown(waited, turn.since, budget.news, brief)
        so_far = None
        if brief is not None or (turn.since and not excerpt.text):
            so_far = await self._so_far(job, excerpt.end, is_silent=not excerpt.text)
        notes = [*notes, told] if told else notes
        if found and waited.written_at is None:
            notes = [*notes, "when the line was written is unknown"]
        self._manager.news.show(caller.reader, job.job_id, _told(waited, turn.request, excerpt.next))
        log_path = self._manager.places.store_of(job.job_id).log_path(job.job_id)
        return job_result(
            job,
            pid=pid,
            why=waited.why,
            line=waited.line,
            line_s_ago=round(max(0.0, time.time() - waited.written_at), 1) if waited.written_at else None,
            so_far=so_far,
            note="; ".join(notes) or None,
            output=excerpt.text or (None if excerpt.end else ""),
            next_cursor=excerpt.next,
            **(log_facts(log_path, excerpt.first) if brief is None else {}),
        )

    async def _shown(self, waited: Waited, since: int, news: int, brief: int | None) -> tuple[Excerpt, str | None]:
        """Return the new output, and a note on the job beside its status."""
        job, seen = waited.job, waited.seen
        if brief is None and job.state is State.EXITED:  # a caller that waits for an end gets it as soon as possible
            return await self._manager.excerpt_of_end(job, since=since, budget=news)
        if brief is None:
            excerpt = await self._manager.excerpt(job, since=since, budget=news)
        else:
            excerpt = await self._manager.newest(job, since=since, budget=brief)
        return excerpt, await self._manager.note(job, seen)

    async def _so_far(self, job: Job, output_bytes: int, *, is_silent: bool) -> str:
        """Return in one line how a job is doing, and how to read all of its output."""
        store, now = self._manager.places.store_of(job.job_id), time.time()
        is_live = job.state is not State.EXITED
        parts = [f"{job.status} for {duration(now - (job.started_at or job.created_at))}"] if is_live else []
        if not output_bytes:
            return ", ".join([*parts, "no output yet"])
        if is_silent:
            wrote_at = await lanes.look(store.last_output_at, job.job_id)
            parts.append(f"no new output for {duration(now - wrote_at)}" if is_live and wrote_at else "no new output")
        return f"{', '.join(parts)}; get_job_output has all {size(output_bytes)}"


def _turn(job: Job, request: WaitRequest, shown: Shown, cursor: int | None) -> Turn:
    if cursor is not None:
        return Turn(job, replace(request, since=cursor, end_is_known=shown.knows_end), cursor)
    until, fail_on = request.until_pattern, request.fail_on
    going_on = replace(
        request,
        since=shown.behind(until.pattern) if until else shown.output,
        fail_since=shown.behind(fail_on.pattern) if fail_on else None,
        end_is_known=shown.knows_end,
    )
    return Turn(job, going_on, shown.output)


def _told(waited: Waited, request: WaitRequest, output: int) -> dict[str, int]:
    """Return the positions that an answer reports, by their keys."""
    told = {OUTPUT: output}
    if waited.job.state is State.EXITED:
        told[END] = 0
    return {**told, **matches_told(waited, request)}


def matches_told(waited: Waited, request: WaitRequest) -> dict[str, int]:
    """Return the position behind the reported match, by the key of its expression."""
    pattern = {Why.MATCHED: request.until_pattern, Why.FAILED_MATCH: request.fail_on}.get(waited.why or Why.TIMEOUT)
    return {matches_of(pattern.pattern): waited.found.behind} if pattern and waited.found else {}
