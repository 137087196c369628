"""Waits for jobs. The hub says when something has changed; what that means for this wait is decided here."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Facts, Kind, Until, Why, why_over
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.hub import Hub, Watched
from mcp_background_job.jobs.looking import Looker
from mcp_background_job.jobs.scan import Search

if TYPE_CHECKING:
    import regex

#: A port says nothing when it opens: ask about it this often.
_TRY_PORT_S = 0.1

#: The shortest sleep before silence is judged again.
_LEAST_SILENCE_S = 0.05

_WATCHES_OUTPUT = (Kind.IDLE, Kind.OUTPUT)


@dataclass(frozen=True, kw_only=True)
class WaitRequest:
    """What to wait for.

    Attributes:
        until: beside the end of the job.
        wait_s: how long at most.
        until_pattern: compiled, if ``until`` is a regular expression.
        fail_on: an expression that ends the wait as a failure.
        since: offset in the log from which expressions are looked for, or beyond which there is news.
        from_start: the job was just started, so that an end of its command counts even if it came before the wait.
    """

    until: Until
    wait_s: float
    until_pattern: regex.Pattern[str] | None = None
    fail_on: regex.Pattern[str] | None = None
    since: int = 0
    from_start: bool = False

    @property
    def searches(self) -> bool:
        """Whether there is anything to look for in the output."""
        return self.until_pattern is not None or self.fail_on is not None

    @property
    def watches_output(self) -> bool:
        """Whether it matters when something is written."""
        return self.searches or self.until.kind in _WATCHES_OUTPUT


@dataclass(frozen=True, kw_only=True)
class Waited:
    """How a wait ended.

    Attributes:
        job: the job as it is now.
        why: why the wait is over; ``None`` if it was given up because another job's was.
        seen: what the job's directory says.
        line: the line in which an expression was found, or why a port does not count.
        skipped: how much of the output could not be searched for an expression, in words; ``None`` if all was.
    """

    job: Job
    why: Why | None
    seen: Observation
    line: str | None = None
    skipped: str | None = None


@dataclass
class _Wait:
    """One wait under way."""

    watched: Watched
    request: WaitRequest
    search: Search
    knew_leader_exit: bool | None
    began: float = field(default_factory=time.monotonic)
    port_was_foreign: bool | None = None

    @property
    def waited(self) -> float:
        return time.monotonic() - self.began

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
        async with self._hub.watching(job.job_id, output=request.watches_output) as watched:
            search = watched.searches.of(request.until_pattern, request.fail_on, request.since)
            wait = _Wait(watched, request, search, knew_leader_exit=False if request.from_start else None)
            seen, why = await self._until_over(job.job_id, wait)
        line = search.scanner.failed or search.scanner.matched
        port = request.until.port
        if why is Why.TIMEOUT and port and await self._places.port_is_taken(job.job_id, port):
            line = f"port {port} is open, but not by this job"
        now = await self._looker.noted(job, seen)
        return Waited(job=now, why=why, seen=seen, line=line, skipped=search.scanner.skipped)

    async def wait_for_several(self, jobs: list[Job], request: WaitRequest, *, for_all: bool) -> list[Waited]:
        """Wait for all jobs or for any; returns what is true of each in the end."""
        tasks = [asyncio.create_task(self.wait(job, request)) for job in jobs]
        try:
            await asyncio.wait(tasks, return_when=asyncio.ALL_COMPLETED if for_all else asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        waited: list[Waited] = []
        for job, result in zip(jobs, results, strict=True):
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
            left_running=_left_running(wait, seen),
            matched=wait.search.scanner.matched is not None,
            failed_match=wait.search.scanner.failed is not None,
            grew=watched.size > request.since,
            port_open=until.kind is Kind.PORT and await self._is_open(job_id, wait, until.port),
            idle_for=wait.quiet_for if until.kind is Kind.IDLE and seen.state is State.RUNNING else 0.0,
            waited=wait.waited,
        )
        return why_over(until, facts, request.wait_s)

    async def _is_open(self, job_id: str, wait: _Wait, port: int) -> bool:
        """Tell whether the job listens on a port. If nobody knows who does, one that opened meanwhile counts."""
        is_open = await self._places.port_is_open(job_id, port)
        if is_open is None and wait.port_was_foreign is not False:
            wait.port_was_foreign = True
            return False
        wait.port_was_foreign = False
        return is_open is not False


def _leader_exited(seen: Observation) -> bool:
    return seen.status is not None and seen.status.leader_exit is not None


def _left_running(wait: _Wait, seen: Observation) -> bool:
    """Tell whether the command itself has ended since the wait began, and what it started is not being stopped."""
    is_being_stopped = seen.status is not None and seen.status.stop_requested is not None
    return wait.knew_leader_exit is False and _leader_exited(seen) and not is_being_stopped


def _patience(wait: _Wait) -> float:
    until = wait.request.until
    patience = wait.request.wait_s - wait.waited
    if until.kind is Kind.PORT:
        patience = min(patience, _TRY_PORT_S)
    if until.kind is Kind.IDLE:
        patience = min(patience, max(_LEAST_SILENCE_S, until.idle_s - wait.quiet_for))
    return max(0.0, patience)
