"""Stops a job by its runner on a node, step by step, and says how one ended that its engine has stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from mcp_background_job.core.states import Outcome
from mcp_background_job.executors.base import Cancelled, Channel
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.records import Exit, StopRequest
from mcp_background_job.jobdir.requests import MAX_GRACE_S

#: Beyond the grace period: SIGKILL has its patience, twice where jobs were started within the job, and some more.
_LADDER_PATIENCE_S = 30.0

Connect = Callable[[str], Awaitable[Channel]]


async def tell_to_stop(connect: Connect, job_id: str, request: StopRequest) -> Cancelled:
    """Have a job's runner stop it, and wait until that says what became of it.

    Raises:
        NoRunnerError: there is none, or it is on its way in or out.
        RunnerTimeoutError: no way leads to it, or it does not say.
    """
    async with await connect(job_id) as runner:
        if not await runner.stop(request):
            raise NoRunnerError(job_id)
        try:
            async with asyncio.timeout(min(request.grace_s, MAX_GRACE_S) + _LADDER_PATIENCE_S):
                survivors = await runner.outcome_of_stop()
        except TimeoutError as error:
            raise RunnerTimeoutError(f"the runner of job {job_id} has not reported what became of it") from error
    # What they are stands in the process table of another machine.
    return Cancelled(was_live=True, survivors=tuple(survivors))


def lost(why: str) -> Exit:
    """Return the record of a job that was over before anybody was asked to stop it."""
    return Exit(outcome=Outcome.LOST.value, ended_at=time.time(), reason=why)


def killed_by(engine: str, request: StopRequest) -> Exit:
    """Return the record of a job that its engine has stopped in the place of its runner."""
    return Exit(
        outcome=Outcome.KILLED.value,
        ended_at=time.time(),
        reason=f"{request.why} (by {engine}, asked by {request.by})",
        stop_requested=request,
    )
