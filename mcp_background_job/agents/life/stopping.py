"""Cancels a run: first the wish is recorded, then the agent's own way to stop is used, then the job is killed."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import Literal

from mcp_background_job.agents.records import RunRecord
from mcp_background_job.core.job import Job
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import InvalidRequestError, JobEndedError, StdinClosedError, SurvivorsError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest

#: Seconds that an agent has to end after a message to stop; agents that heed it need a tenth of it.
MESSAGE_GRACE_S = 0.4

#: Seconds for message and signal together; the adapter may ask for more. After that, everything is killed.
TOTAL_GRACE_S = 1.2

Escalation = Literal["polite", "term", "kill"]


@dataclass(frozen=True)
class Stopped:
    """The result of a stop.

    Attributes:
        escalation: what ended the run: the agent's own way to stop, SIGTERM or SIGKILL.
        killed: processes that were sent SIGKILL.
        leftover: processes that survived even SIGKILL.
        ended_with: the jobs that were started within the run and ended with it.
        runs: the run id of each of those jobs that is a run, by job id.
    """

    escalation: Escalation
    killed: tuple[int, ...] = ()
    leftover: tuple[int, ...] = ()
    ended_with: tuple[Job, ...] = ()
    runs: dict[str, str] = field(default_factory=dict[str, str])


async def stop(manager: JobManager, record: RunRecord, message: bytes | None, *, by: str) -> Stopped:
    """Stop the job of a run.

    Raises:
        UnknownJobError: the job no longer exists.
        RunnerSilentError: the job cannot be stopped from here.
    """
    job = await manager.find(record.job_id)
    began = time.monotonic()
    if message is not None:
        await _tell(manager, job, message)
    left = max(0.0, max(TOTAL_GRACE_S, record.grace_s) - (time.monotonic() - began))
    try:
        killed = await manager.kill(
            job.job_id,
            by=by,
            why=f"run {record.run_id} was cancelled",
            signal=record.polite_signal,
            grace_s=min(record.grace_s, left),
        )
    except SurvivorsError as error:
        return Stopped("kill", leftover=error.pids)
    seen = (await lanes.look(manager.places.look, [job.job_id])).get(job.job_id)
    runs = await manager.runs_among(killed.ended_with)
    return replace(_stopped(seen.exit if seen else None), ended_with=killed.ended_with, runs=runs)


async def _tell(manager: JobManager, job: Job, message: bytes) -> None:
    # The agent may be over, may have closed its stdin or stopped reading it: the signal comes next in any case.
    with contextlib.suppress(JobEndedError, StdinClosedError, InvalidRequestError):
        await manager.send_input(job, message)
        await manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=MESSAGE_GRACE_S))


def _stopped(end: Exit | None) -> Stopped:
    if end is None or end.started_at is None or (end.stop_requested is None and not end.killed_pids):
        return Stopped("polite")
    if end.killed_pids:
        return Stopped("kill", tuple(end.killed_pids))
    return Stopped("term" if end.stop_requested and end.stop_requested.signal == "SIGTERM" else "polite")
