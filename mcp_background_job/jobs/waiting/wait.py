"""Waits for jobs. The hub says when something has changed; what that means for this wait is decided here."""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Facts, Kind, Until, Why, unmet, why_over
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.left import has_left_running
from mcp_background_job.jobs.looking import Looker
from mcp_background_job.jobs.waiting.hub import Hub, Watched
from mcp_background_job.jobs.waiting.scan import Found, Search, Sought
from mcp_background_job.jobs.waiting.url import Asked, asking

if TYPE_CHECKING:
    import regex

#: Neither a port nor a URL tells when it opens: look this often.
_TRY_AGAIN_S = 0.1

#: The shortest sleep before silence is judged again.
_LEAST_SILENCE_S = 0.05

_WATCHES_OUTPUT = (Kind.IDLE, Kind.OUTPUT)
_MUST_BE_ASKED = (Kind.PORT, Kind.HTTP)


@dataclass(frozen=True, kw_only=True)
class WaitRequest:
    """What to wait for.

    Attributes:
        until: beside the end of the job.
        wait_s: how long at most.
        until_pattern: compiled, if ``until`` is a regular expression.
        fail_on: an expression that ends the wait as a failure.
        since: offset in the log from which expressions are looked for, or beyond which there is news.
        fail_since: offset from which ``fail_on`` is looked for, if another.
        from_start: the job was just started, so that an end of its command counts even if it came before the wait.
        end_is_known: the caller knows that the job has ended: of several jobs it does not end the wait for any.
        waited_s: how long it was waited for already, by earlier waits that this one goes on with.
    """

    until: Until
    wait_s: float
    until_pattern: regex.Pattern[str] | None = None
    fail_on: regex.Pattern[str] | None = None
    since: int = 0
    fail_since: int | None = None
    from_start: bool = False
    end_is_known: bool = False
    waited_s: float = 0.0

    @property
    def searches(self) -> bool:
        """Whether there is anything to look for in the output."""
        return self.until_pattern is not None or self.fail_on is not None

    @property
    def watches_output(self) -> bool:
        """Whether it matters when something is written."""
        return self.searches or self.until.kind in _WATCHES_OUTPUT

    def sought(self) -> tuple[Sought | None, Sought | None]:
        """Return what to look for in the output: what ends the wait, and what ends it as a failure."""
        fail_since = self.since if self.fail_since is None else self.fail_since
        until, fail_on = self.until_pattern, self.fail_on
        return until and Sought(until, self.since), fail_on and Sought(fail_on, fail_since)


@dataclass(frozen=True, kw_only=True)
class Waited:
    """How a wait ended.

    Attributes:
        job: the job as it is now.
        why: why the wait is over; ``None`` if it was given up because another job's was.
        seen: what the job's directory says.
        found: where an expression was found.
        written_at: when that was written (seconds since the epoch), ``None`` if nobody knows.
        hint: why what was waited for may not have come, in words.
        skipped: how much of the output could not be searched for an expression, in words; ``None`` if all was.
    """

    job: Job
    why: Why | None
    seen: Observation
    found: Found | None = None
    written_at: float | None = None
    hint: str | None = None
    skipped: str | None = None

    @property
    def line(self) -> str | None:
        """The line in which an expression was found."""
        return self.found and self.found.line


@dataclass
class _Wait:
    """One wait under way."""

    watched: Watched
    request: WaitRequest
    search: Search
    asked: Asked
    knew_leader_exit: bool | None
    began: float = field(default_factory=time.monotonic)

    @property
    def waited(self) -> float:
        return self.request.waited_s + time.monotonic() - self.began

    @property
    def quiet_for(self) -> float:
        """Seconds since the last output; if there was none, since the wait began."""
        wrote_at = self.watched.wrote_at
        return self.waited if wrote_at is None else time.monotonic() - wrote_at


class Waiter:
    """Waits for jobs."""

    def __init__(self, places: Places, looker: Looker, hub: Hub) -> None:
        """Takes its parts."""
        self._places = places
        self._looker = looker
        self._hub = hub

    async def wait(self, job: Job, request: WaitRequest) -> Waited:
        """Wait for what is asked for, or for the end of the job."""
        async with (
            self._hub.watching(job.job_id, output=request.watches_output) as watched,
            asking(request.until, functools.partial(self._places.port_is_open, job.job_id)) as asked,
        ):
            search = self._hub.searches.of(self._places.store_of(job.job_id), job.job_id, *request.sought())
            wait = _Wait(watched, request, search, asked, knew_leader_exit=False if request.from_start else None)
            seen, why = await self._until_over(job.job_id, wait)
        found = search.scanner.failed or search.scanner.matched
        return Waited(
            job=await self._looker.noted(job, seen),
            why=why,
            seen=seen,
            found=found,
            written_at=await self._written_at(job.job_id, found) if found else None,
            hint=await self._hint(job.job_id, why, wait),
            skipped=search.scanner.skipped,
        )

    async def wait_for_several(self, waits: list[tuple[Job, WaitRequest]], *, for_all: bool) -> list[Waited]:
        """Wait for all jobs or for any; returns what is true of each in the end."""
        tasks = [asyncio.create_task(self.wait(job, request)) for job, request in waits]
        known = {task for task, (_, request) in zip(tasks, waits, strict=True) if request.end_is_known}
        left = set(tasks)
        try:
            while left:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                if not for_all and any(task not in known or task.result().why is not Why.EXIT for task in done):
                    break
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        waited: list[Waited] = []
        for (job, _), result in zip(waits, results, strict=True):
            if isinstance(result, asyncio.CancelledError):
                now, seen = await self._looker.look(job)
                waited.append(Waited(job=now, why=None, seen=seen))
            elif isinstance(result, BaseException):
                raise result
            else:
                waited.append(result)
        return waited

    async def _until_over(self, job_id: str, wait: _Wait) -> tuple[Observation, Why]:
        change = wait.watched.output if wait.request.watches_output else wait.watched.life
        while True:
            # Before the look: what changes while we look is looked at again.
            count = change.count
            seen = wait.watched.seen
            if seen is None:
                await change.beyond(count, None)
                continue
            why = await self._why_over(job_id, wait, seen)
            if why is not None:
                return seen, why
            await change.beyond(count, _patience(wait))

    async def _why_over(self, job_id: str, wait: _Wait, seen: Observation) -> Why | None:
        request, watched = wait.request, wait.watched
        exited = seen.state is State.EXITED
        if exited and request.watches_output:
            await watched.measure()  # after the look: all that an ended job wrote is there by then
        if request.searches:
            await wait.search.up_to(watched.size)
        if wait.knew_leader_exit is None:
            wait.knew_leader_exit = _leader_exited(seen)
        until = request.until
        facts = Facts(
            exited=exited,
            left_running=await self._has_left_running(job_id, wait, seen),
            command_failed=_command_failed(seen),
            matched=wait.search.scanner.matched is not None,
            failed_match=wait.search.scanner.failed is not None,
            grew=watched.size > request.since,
            port_open=until.kind is Kind.PORT and await self._places.port_is_open(job_id, until.port),
            answered=wait.asked.is_answered,
            idle_for=wait.quiet_for if until.kind is Kind.IDLE and seen.state is State.RUNNING else 0.0,
            waited=wait.waited,
        )
        return why_over(until, facts, request.wait_s)

    async def _has_left_running(self, job_id: str, wait: _Wait, seen: Observation) -> bool:
        """Tell whether the command itself has ended since the wait began, and what it started is left alone."""
        if wait.knew_leader_exit or not _leader_exited(seen) or seen.exit is not None:
            return False
        wait.knew_leader_exit = True  # told now, or of no interest
        return await lanes.look(has_left_running, self._places, job_id, seen)

    async def _written_at(self, job_id: str, found: Found) -> float | None:
        """Return when the last byte of a match was written: then it came to be one."""
        return await lanes.look(self._places.store_of(job_id).written_at, job_id, found.behind - 1)

    async def _hint(self, job_id: str, why: Why, wait: _Wait) -> str | None:
        if why not in (Why.TIMEOUT, Why.EXIT):
            return None
        request, scanner = wait.request, wait.search.scanner
        until = request.until
        told = [unmet(until, is_rest=request.since > 0)] if why is Why.EXIT else []
        if until.kind is Kind.PORT and await self._places.port_is_taken(job_id, until.port):
            told.append(f"port {until.port} is open, but not by this job")
        if why is Why.TIMEOUT and until.kind is Kind.HTTP:
            told.append(f"{until.url}: {wait.asked.trouble or 'no answer'}")
        told += [_meant_as_text(pattern, line) for pattern, line in scanner.as_text.items()]
        return "; ".join(filter(None, told)) or None


def _meant_as_text(pattern: str, line: str) -> str:
    import regex  # noqa: PLC0415  it is loaded: it has found nothing

    escaped = regex.escape(pattern, special_only=True, literal_spaces=True)
    return f'as a regex "{pattern}" matched nothing, but as plain text it is there, in "{line}": pass "{escaped}"'


def _leader_exited(seen: Observation) -> bool:
    return seen.status is not None and seen.status.leader_exit is not None


def _command_failed(seen: Observation) -> bool:
    end = seen.status and seen.status.leader_exit
    return end is not None and end.exit_code != 0


def _patience(wait: _Wait) -> float:
    until = wait.request.until
    patience = wait.request.wait_s - wait.waited
    if until.kind in _MUST_BE_ASKED:
        patience = min(patience, _TRY_AGAIN_S)
    if until.kind is Kind.IDLE:
        patience = min(patience, max(_LEAST_SILENCE_S, until.idle_s - wait.quiet_for))
    return max(0.0, patience)
