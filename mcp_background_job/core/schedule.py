"""Which queued jobs may start now, and which never will. Decides; the caller launches."""

from __future__ import annotations

from dataclasses import dataclass, field

from mcp_background_job.core.states import Outcome


@dataclass(frozen=True)
class Waiting:
    """A queued job.

    Attributes:
        job_id: its id.
        created_at: seconds since the epoch; the queue is served in this order.
        max_jobs: how many jobs may run at once according to whoever queued it.
        after: ids of the jobs that must have completed before it starts.
    """

    job_id: str
    created_at: float
    max_jobs: int
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What to do with the queue: launch these, in this order; fail those, each for its reason."""

    launch: list[str] = field(default_factory=list[str])
    fail: dict[str, str] = field(default_factory=dict[str, str])


def decide(queue: list[Waiting], running: int, ended: dict[str, Outcome | None]) -> Decision:
    """Decide what becomes of the queue.

    Args:
        queue: all queued jobs.
        running: how many jobs run now.
        ended: outcome by job id, for every job named in an ``after`` that is not live; ``None`` if it is unknown.
    """
    decision = Decision()
    for job in sorted(queue, key=lambda job: (job.created_at, job.job_id)):
        reason = next((_broken(other, ended[other]) for other in job.after if ended.get(other, _OK) is not _OK), None)
        if reason:
            decision.fail[job.job_id] = reason
        elif all(other in ended for other in job.after) and running < job.max_jobs:
            decision.launch.append(job.job_id)
            running += 1
    return decision


_OK = Outcome.COMPLETED


def _broken(job_id: str, outcome: Outcome | None) -> str:
    if outcome is None:
        return f"not started: job {job_id}, which it was to run after, no longer exists"
    return f"not started: job {job_id}, which it was to run after, ended as {outcome.value}"
