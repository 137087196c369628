"""Waits for a job without polling it: the runner says when there is news, and its hanging up is the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Facts, Kind, Until, Why, why_over
from mcp_background_job.executors.local import LocalExecutor
from mcp_background_job.jobdir.control import News, NoRunnerError, RunnerClient, RunnerTimeoutError
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.scan import Scanner
from mcp_background_job.jobs.usage import usage_of_tree

if TYPE_CHECKING:
    import regex

#: A queued job, and one whose runner is just coming or going, has no socket to listen on: look again after this time.
_LOOK_AGAIN_S = 0.05

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
    """

    job: Job
    why: Why | None
    seen: Observation
    line: str | None = None


@dataclass
class _Wait:
    """One wait under way."""

    executor: LocalExecutor
    job_id: str
    request: WaitRequest
    began: float = field(default_factory=time.monotonic)
    knew_leader_exit: bool | None = None
    sees_leader_exit: bool = False
    runner: RunnerClient | None = None
    known_size: int = 0
    next_care: float = 0.0
    port_was_foreign: bool | None = None

    def __post_init__(self) -> None:
        self.scanner = Scanner(self.request.until_pattern, self.request.fail_on, self.request.since)
        if self.request.from_start:
            self.knew_leader_exit = False

    def care_for_the_queue(self) -> None:
        """What a queued job waits for may have died with its runner: then nobody else would ever notice."""
        if time.monotonic() >= self.next_care:
            self.next_care = time.monotonic() + _CARE_S
            self.executor.sweep_the_dead()

    @property
    def waited(self) -> float:
        return time.monotonic() - self.began


class Waiter:
    """Waits for jobs of one executor."""

    def __init__(self, executor: LocalExecutor) -> None:
        """Takes the executor that the jobs run on."""
        self._executor = executor

    async def wait(self, job_id: str, request: WaitRequest) -> Waited:
        """Wait; the job of the answer is left for the caller to fill in."""
        wait = _Wait(self._executor, job_id, request)
        try:
            while True:
                seen, why = await _evaluate(wait)
                if why is not None:
                    line = wait.scanner.failed or wait.scanner.matched
                    port = request.until.port
                    if why is Why.TIMEOUT and request.until.kind is Kind.PORT and await _accepts(port):
                        line = f"port {port} is open, but not by this job"
                    return Waited(job=_NOBODY, why=why, seen=seen, line=line)
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
        wait.known_size = await asyncio.to_thread(wait.scanner.scan, wait.executor, wait.job_id)
    elif wait.request.until.kind in _WATCHES_OUTPUT:
        wait.known_size = (await asyncio.to_thread(wait.executor.read_log, wait.job_id, 0, 0)).end
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
        port_open=until.kind is Kind.PORT and await _is_open(wait, until.port, seen),
        idle_for=_idle_for(wait, seen),
        waited=wait.waited,
    )
    return seen, why_over(until, facts, wait.request.wait_s)


async def _look(wait: _Wait) -> Observation:
    seen = (await asyncio.to_thread(wait.executor.poll, [wait.job_id])).get(wait.job_id)
    return seen or Observation(state=State.EXITED)


def _leader_exited(seen: Observation) -> bool:
    return seen.status is not None and seen.status.leader_exit is not None


def _left_running(wait: _Wait, seen: Observation) -> bool:
    """Tell whether the command itself has ended since the wait began, and what it started is not being stopped."""
    is_being_stopped = seen.status is not None and seen.status.stop_requested is not None
    return wait.knew_leader_exit is False and _leader_exited(seen) and not is_being_stopped


async def _news(wait: _Wait) -> None:
    """Wait until something may have changed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_patience(wait)):
            if wait.runner is None:
                try:
                    wait.runner = await wait.executor.connect(wait.job_id)
                except (NoRunnerError, RunnerTimeoutError):
                    wait.care_for_the_queue()
                    await asyncio.sleep(_LOOK_AGAIN_S)
                    return
            watches_output = wait.scanner.is_needed or wait.request.until.kind in _WATCHES_OUTPUT
            size = wait.known_size if watches_output else _NEVER
            news: News | None = await wait.runner.watch(size, leader_exited=wait.sees_leader_exit)
            if news is None:
                await _hang_up(wait)
            elif watches_output:
                await asyncio.sleep(_GATHER_S)
            return
    # The time was up in the middle of an exchange: the connection's next answer would belong to the last question.
    await _hang_up(wait)


def _patience(wait: _Wait) -> float:
    until = wait.request.until
    patience = wait.request.wait_s - wait.waited
    if until.kind is Kind.PORT:
        patience = min(patience, _TRY_PORT_S)
    if until.kind is Kind.IDLE:
        last = wait.executor.last_output_at(wait.job_id)
        quiet_for = min(wait.waited, time.time() - last) if last else wait.waited
        patience = min(patience, max(_LOOK_AGAIN_S, until.idle_s - quiet_for))
    return max(0.0, patience)


def _idle_for(wait: _Wait, seen: Observation) -> float:
    if wait.request.until.kind is not Kind.IDLE or seen.state is not State.RUNNING:
        return 0.0
    last = wait.executor.last_output_at(wait.job_id)
    return time.time() - last if last is not None else wait.waited


async def _is_open(wait: _Wait, port: int, seen: Observation) -> bool:
    """Tell whether a process of the job listens on the port, wherever else it may be open."""
    answer = await wait.executor.port_is_open(wait.job_id, port)
    return await _seems_open(wait, port, seen) if answer is None else answer


async def _seems_open(wait: _Wait, port: int, seen: Observation) -> bool:
    """The same for a runner that cannot tell, of release 1.0.0 for instance: what opens after it was closed counts."""
    if not await _accepts(port):
        wait.port_was_foreign = False
        return False
    if wait.port_was_foreign is False:
        return True
    own = await asyncio.to_thread(_ports_of, seen)
    wait.port_was_foreign = port not in own
    return not wait.port_was_foreign


async def _accepts(port: int) -> bool:
    try:
        async with asyncio.timeout(_TRY_PORT_S):
            _, writer = await asyncio.open_connection("localhost", port)  # some servers listen on ::1 only
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _ports_of(seen: Observation) -> list[int]:
    if seen.runner_pid is None:
        return []
    usage = usage_of_tree(seen.runner_pid)
    return usage.ports if usage else []


async def _hang_up(wait: _Wait) -> None:
    if wait.runner is not None:
        runner, wait.runner = wait.runner, None
        await runner.__aexit__(None, None, None)
