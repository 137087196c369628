"""Stops a job by its runner on a node, and makes the record of a job that its engine has stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from mcp_background_job.core.states import Outcome
from mcp_background_job.executors.base import Cancelled, Channel
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.records import Exit, StopRequest
from mcp_background_job.jobdir.requests import MAX_GRACE_S

#: Seconds beyond the grace period: SIGKILL's patience, twice if there are jobs within the job, and some more.
_LADDER_PATIENCE_S = 30.0

Connect = Callable[[str], Awaitable[Channel]]


async def tell_to_stop(connect: Connect, job_id: str, request: StopRequest) -> Cancelled:
    """Have a job's runner stop it, and wait until the runner reports the outcome.

    Raises:
        NoRunnerError: the job has no runner, or its runner is starting or ending.
        RunnerTimeoutError: the runner cannot be reached, or does not report.
    """
    async with await connect(job_id) as runner:
        if not await runner.stop(request):
            raise NoRunnerError(job_id)
        try:
            async with asyncio.timeout(min(request.grace_s, MAX_GRACE_S) + _LADDER_PATIENCE_S):
                survivors = await runner.outcome_of_stop()
        except TimeoutError as error:
            raise RunnerTimeoutError(f"the runner of job {job_id} has not reported what became of it") from error
    # The process table of another machine has their names, so they are not explained here.
    return Cancelled(was_live=True, survivors=tuple(survivors))


def lost(why: str) -> Exit:
    """Return the record of a job that was over before it was asked to stop."""
    return Exit(outcome=Outcome.LOST.value, ended_at=time.time(), reason=why)


def killed_by(engine: str, request: StopRequest) -> Exit:
    """Return the record of a job that its engine has stopped in the runner's place."""
    return Exit(
        outcome=Outcome.KILLED.value,
        ended_at=time.time(),
        reason=f"{request.why} (by {engine}, asked by {request.by})",
        stop_requested=request,
    )
