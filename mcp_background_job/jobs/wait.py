"""Waits for a job without polling it: the runner says when there is news, and its hanging up is the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Facts, Kind, Until, Why, why_over
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Channel
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.control import News, NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.looking import Looker
from mcp_background_job.jobs.scan import Scanner

if TYPE_CHECKING:
    import regex

#: Silence is not looked for more often than this.
_LEAST_SILENCE_S = 0.05

#: While a queued job is waited for, how often to look after dead runners.
_CARE_S = 0.5

#: Between the end of the command itself and the look that decides whether it left anything behind.
_SETTLE_S = 0.05

#: A port says nothing when it opens: try it this often.
_TRY_PORT_S = 0.1

#: After news of output, more of it is let come in before it is searched: one search for a burst.
_GATHER_S = 0.02

_WATCHES_OUTPUT = (Kind.IDLE, Kind.OUTPUT)

#: An output size that no log reaches: the watcher wants to hear of the end only.
_NEVER = 2**62


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

    places: Places
    job_id: str
    request: WaitRequest
    began: float = field(default_factory=time.monotonic)
    knew_leader_exit: bool | None = None
    sees_leader_exit: bool = False
    channel: Channel | None = None
    seen: Observation | None = None
    known_size: int = 0
    next_care: float = 0.0
    port_was_foreign: bool | None = None

    def __post_init__(self) -> None:
        self.store = self.places.store_of(self.job_id)
        self.scanner = Scanner(self.request.until_pattern, self.request.fail_on, self.request.since)
        if self.request.from_start:
            self.knew_leader_exit = False

    async def care_for_the_queue(self) -> None:
        """What a queued job waits for may have died with its runner: then nobody else would ever notice."""
        if time.monotonic() >= self.next_care:
            self.next_care = time.monotonic() + _CARE_S
            await self.places.tend()

    @property
    def waited(self) -> float:
        return time.monotonic() - self.began


class Waiter:
    """Waits for jobs."""

    def __init__(self, places: Places, looker: Looker) -> None:
        """Takes its parts."""
        self._places = places
        self._looker = looker

    async def wait(self, job: Job, request: WaitRequest) -> Waited:
        """Wait for what is asked for, or for the end of the job."""
        waited = await self._wait(job.job_id, request)
        return replace(waited, job=await self._looker.noted(job, waited.seen))

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

    async def _wait(self, job_id: str, request: WaitRequest) -> Waited:
        wait = _Wait(self._places, job_id, request)
        try:
            while True:
                seen, why = await _evaluate(wait)
                if why is not None:
                    line = wait.scanner.failed or wait.scanner.matched
                    port = request.until.port
                    if (
                        why is Why.TIMEOUT
                        and request.until.kind is Kind.PORT
                        and await wait.places.port_is_taken(job_id, port)
                    ):
                        line = f"port {port} is open, but not by this job"
                    return Waited(job=_NOBODY, why=why, seen=seen, line=line, skipped=wait.scanner.skipped)
                await _news(wait)
        finally:
            await _hang_up(wait)


_NOBODY = Job(job_id="", command="", cwd="", created_at=0.0, state=State.QUEUED)


async def _evaluate(wait: _Wait) -> tuple[Observation, Why | None]:
    # The job is looked at first and its output read afterwards: what an ended job wrote is then all there.
    seen = await _look(wait)
    if _left_running(wait, seen):
        # What was signalled together with the command itself dies with it, but not in the same instant.
        await asyncio.sleep(_SETTLE_S)
        seen = await _look(wait)
    if wait.scanner.is_needed:
        wait.known_size = await lanes.scan(wait.scanner.scan, wait.store, wait.job_id)
    elif wait.request.until.kind in _WATCHES_OUTPUT:
        wait.known_size = (await lanes.look(wait.store.read_log, wait.job_id, 0, 0)).end
    wait.sees_leader_exit = _leader_exited(seen)
    if wait.knew_leader_exit is None:
        wait.knew_leader_exit = _leader_exited(seen)
    until = wait.request.until
    facts = Facts(
        exited=seen.state is State.EXITED,
        left_running=_left_running(wait, seen),
        matched=wait.scanner.matched is not None,
        failed_match=wait.scanner.failed is not None,
        grew=wait.known_size > wait.request.since,
        port_open=until.kind is Kind.PORT and await _is_open(wait, until.port),
        idle_for=await _idle_for(wait, seen),
        waited=wait.waited,
    )
    return seen, why_over(until, facts, wait.request.wait_s)


async def _look(wait: _Wait) -> Observation:
    seen = (await lanes.look(wait.places.look, [wait.job_id])).get(wait.job_id)
    wait.seen = seen or Observation(state=State.EXITED)
    return wait.seen


def _leader_exited(seen: Observation) -> bool:
    return seen.status is not None and seen.status.leader_exit is not None


def _left_running(wait: _Wait, seen: Observation) -> bool:
    """Tell whether the command itself has ended since the wait began, and what it started is not being stopped."""
    is_being_stopped = seen.status is not None and seen.status.stop_requested is not None
    return wait.knew_leader_exit is False and _leader_exited(seen) and not is_being_stopped


async def _news(wait: _Wait) -> None:
    """Wait until something may have changed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(await _patience(wait)):
            if wait.channel is None:
                try:
                    wait.channel = await wait.places.connect(wait.job_id)
                except (NoRunnerError, RunnerTimeoutError):
                    await wait.care_for_the_queue()
                    await asyncio.sleep(wait.places.look_again_s(wait.job_id, wait.seen))
                    return
            watches_output = wait.scanner.is_needed or wait.request.until.kind in _WATCHES_OUTPUT
            size = wait.known_size if watches_output else _NEVER
            news: News | None = await wait.channel.watch(size, leader_exited=wait.sees_leader_exit)
            if news is None:
                await _hang_up(wait)
            elif watches_output:
                await asyncio.sleep(_GATHER_S)
            return
    # The time was up in the middle of an exchange: the connection's next answer would belong to the last question.
    await _hang_up(wait)


async def _patience(wait: _Wait) -> float:
    until = wait.request.until
    patience = wait.request.wait_s - wait.waited
    if until.kind is Kind.PORT:
        patience = min(patience, _TRY_PORT_S)
    if until.kind is Kind.IDLE:
        last = await lanes.look(wait.store.last_output_at, wait.job_id)
        quiet_for = min(wait.waited, time.time() - last) if last else wait.waited
        patience = min(patience, max(_LEAST_SILENCE_S, until.idle_s - quiet_for))
    return max(0.0, patience)


async def _idle_for(wait: _Wait, seen: Observation) -> float:
    if wait.request.until.kind is not Kind.IDLE or seen.state is not State.RUNNING:
        return 0.0
    last = await lanes.look(wait.store.last_output_at, wait.job_id)
    return time.time() - last if last is not None else wait.waited


async def _is_open(wait: _Wait, port: int) -> bool:
    """Tell whether the job listens on a port; where nobody knows who does, what opens after it was closed counts."""
    is_open = await wait.places.port_is_open(wait.job_id, port)
    if is_open is None and wait.port_was_foreign is not False:
        wait.port_was_foreign = True
        return False
    wait.port_was_foreign = False
    return is_open is not False


async def _hang_up(wait: _Wait) -> None:
    if wait.channel is not None:
        channel, wait.channel = wait.channel, None
        await channel.__aexit__(None, None, None)
