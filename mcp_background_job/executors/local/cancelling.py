"""Stops jobs, whatever the state of their runners, and confirms it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import time

from mcp_background_job.core.ladder import KILL_PATIENCE_S
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import RunnerSilentError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Cancelled
from mcp_background_job.executors.local.connecting import connect
from mcp_background_job.executors.local.launcher import Launcher
from mcp_background_job.executors.local.queue import Queue
from mcp_background_job.executors.local.remains import clear_away, outcome_of_sweep
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.executors.local.sweeping import Sweeping
from mcp_background_job.executors.local.waking import wake
from mcp_background_job.jobdir import ancestry, runners
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.ending import end_unowned
from mcp_background_job.jobdir.records import Exit, StopRequest
from mcp_background_job.jobdir.requests import MAX_GRACE_S
from mcp_background_job.kernel.survivors import explained

#: Seconds for our SIGKILL to end a runner; it takes longer only if the machine is stuck.
_KILL_WAIT_S = 5.0

#: A runner that gets a signal gives its job 5 s, and SIGKILL as many at most; the rest is for writing the record.
_SIGNAL_PATIENCE_S = 12.0

#: Seconds beyond the grace period: SIGKILL has its patience, the jobs within the job have theirs, a second time for
#: late ones, and the rest is for writing the record. A runner of release 1.0.0, or one that was just suspended, uses up
#: all.
_LADDER_PATIENCE_S = 30.0

#: The number of attempts to have a runner stop a job that was just found starting or ending.
_ATTEMPTS = 50
_BETWEEN_ATTEMPTS_S = 0.02


class Cancelling:
    """Stops jobs."""

    def __init__(self, store: LocalStore, launcher: Launcher, sweeping: Sweeping, queue: Queue) -> None:
        """Takes its parts."""
        self._store = store
        self._launcher = launcher
        self._sweeping = sweeping
        self._queue = queue

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job, and confirm that nothing of it is left; see ``Place.cancel``."""
        for _ in range(_ATTEMPTS):
            if not await lanes.look(self._store.has, job_id):
                break
            seen = await lanes.look(self._store.observe, job_id)
            if seen.state is State.EXITED:
                return await clear_away(self._store, self._sweeping, job_id)
            if seen.state is State.QUEUED:
                if await lanes.look(runners.find_bereft, self._store.job(job_id)):
                    break  # it only looks queued, since its runner's files were removed
                if await lanes.write(end_unowned, self._store.job(job_id), ancestry.withdrawn(request)):
                    await self._queue.serve()  # others may have waited for the job
                    return Cancelled(was_live=True)
                continue  # a runner has just taken it
            try:
                return await self._stop(job_id, seen.runner_pid, request)
            except NoRunnerError:  # the runner is just starting or ending
                await asyncio.sleep(_BETWEEN_ATTEMPTS_S)
            except RunnerTimeoutError:
                return await self._replace_runner(job_id, request)
        # Its socket or its directory is gone, and only a signal can still reach it.
        if await lanes.lasting(_stopped_by_signal, self._store, job_id):
            with contextlib.suppress(OSError):  # if the directory for the record is gone
                await lanes.write(end_unowned, self._store.job(job_id), _killed(request))
            return Cancelled(was_live=True)
        return await self._replace_runner(job_id, request)

    async def _stop(self, job_id: str, runner_pid: int | None, request: StopRequest) -> Cancelled:
        if runner_pid:
            await lanes.look(wake, self._store, job_id, runner_pid)
        try:
            return await self._told_to_stop(job_id, request)
        except RunnerTimeoutError:
            # A suspending signal takes effect a moment after it was sent.
            if runner_pid and await lanes.look(wake, self._store, job_id, runner_pid):
                return await self._told_to_stop(job_id, request)
            raise

    async def _told_to_stop(self, job_id: str, request: StopRequest) -> Cancelled:
        async with await connect(self._store.job(job_id)) as runner:
            if not await runner.stop(request):
                raise NoRunnerError(job_id)
            try:
                async with asyncio.timeout(min(request.grace_s, MAX_GRACE_S) + _LADDER_PATIENCE_S):
                    survivors = await runner.outcome_of_stop()
            except TimeoutError:
                survivors = await self._known_survivors(job_id)
            return await lanes.look(_cancelled, survivors)

    async def _known_survivors(self, job_id: str) -> list[int]:
        """Return the survivors that a silent runner has named: release 1.0.0 names them only once."""
        seen = await lanes.look(self._store.observe, job_id)
        if not seen.status or not seen.status.survivors:
            raise RunnerTimeoutError(f"the runner of job {job_id} has not reported what became of it")
        return seen.status.survivors

    async def _replace_runner(self, job_id: str, request: StopRequest) -> Cancelled:
        """Replace a runner that does not answer: end it, and have a new one end the rest of the job."""
        job = self._store.job(job_id)
        seen = await lanes.look(self._store.observe, job_id)
        if seen.state is State.EXITED:
            return Cancelled(was_live=False)
        if seen.runner_pid is None:
            raise RunnerSilentError(
                f"the runner of job {job_id} does not answer, and it runs on another machine, or in another container "
                "or namespace: stop the job from there"
            )
        # Any process that can open the lock can hold it, and the status file may contain anything.
        if not await lanes.look(runners.is_runner_of, seen.runner_pid, job):
            raise RunnerSilentError(
                f"process {seen.runner_pid} holds {job.lock} and is not known as the runner of job {job_id}: "
                "when it is gone, the job can be stopped"
            )
        survivors = await lanes.lasting(_end_with_tree, self._store, job_id, seen.runner_pid, request)
        if survivors:
            return await lanes.look(_cancelled, survivors)
        await self._launcher.launch(job, killed_by=request.by)
        swept = await lanes.look(outcome_of_sweep, self._store, job_id)
        return dataclasses.replace(swept, was_live=True)


def _cancelled(survivors: list[int]) -> Cancelled:
    return Cancelled(was_live=True, survivors=tuple(survivors), why=explained(survivors))


def _stopped_by_signal(store: LocalStore, job_id: str) -> bool:
    """Tell a job's runner by SIGTERM to stop the job; returns whether the runner is gone."""
    from mcp_background_job.processes import census  # noqa: PLC0415  psutil: 70 ms that not every server needs

    job = store.job(job_id)
    pid = store.observe(job_id).runner_pid or runners.find(job)
    runner = census.look_up(pid) if pid else None
    # The process was looked up before this check, so a later process with the same pid cannot be meant.
    if runner is None or not runners.is_runner_of(runner.pid, job) or not census.send(runner, signal.SIGTERM):
        return False
    census.wait_for_all([runner], _SIGNAL_PATIENCE_S)
    now = census.look_up(runner.pid)
    return now is None or now.birth != runner.birth or not now.alive


def _end_with_tree(store: LocalStore, job_id: str, pid: int, request: StopRequest) -> list[int]:
    """End the descendants of a runner, then the runner; returns the survivors of SIGKILL, and spares the runner then.

    The order matters: as a subreaper, the runner keeps its hold on every orphan as long as it lives.
    """
    from mcp_background_job.processes.wrapper import ProcessWrapper  # noqa: PLC0415  psutil: 70 ms that not every server needs

    try:
        runner = ProcessWrapper(pid)
    except ProcessLookupError:
        return []
    # The kernel names this pid as the holder of the job's lock. The process was identified first and the kernel is
    # asked again, so a later process with the same pid cannot be meant.
    if store.observe(job_id).runner_pid != pid:
        return []
    number = signal.Signals[request.signal]
    survivors = runner.end_descendants(number, grace_s=request.grace_s, patience_s=KILL_PATIENCE_S)
    if not survivors:
        runner.kill()
        runner.wait(_KILL_WAIT_S)
    return survivors


def _killed(request: StopRequest) -> Exit:
    reason = f"{request.why} (asked by {request.by}); its own record of its end was removed"
    return Exit(outcome=Outcome.KILLED.value, ended_at=time.time(), reason=reason, stop_requested=request)
