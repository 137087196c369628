"""Which queued jobs may start now, and which never will. Decides; the caller launches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
        pools: how many jobs of each pool that it is in may run at once.
    """

    job_id: str
    created_at: float
    max_jobs: int
    after: tuple[str, ...] = ()
    pools: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Decision:
    """What to do with the queue: launch these, in this order; fail those, each for its reason."""

    launch: list[str] = field(default_factory=list[str])
    fail: dict[str, str] = field(default_factory=dict[str, str])


def decide(
    queue: list[Waiting], running: int, ended: dict[str, Outcome | None], in_pools: Mapping[str, int] | None = None
) -> Decision:
    """Decide what becomes of the queue.

    Args:
        queue: all queued jobs.
        running: how many jobs run now.
        ended: outcome by job id, for every job named in an ``after`` that is not live; ``None`` if it is unknown.
        in_pools: how many of the running jobs are in each pool. A job whose pool is full holds up none but those
            behind it in that pool.
    """
    decision = Decision()
    pools = Counter(in_pools or {})
    for job in sorted(queue, key=lambda job: (job.created_at, job.job_id)):
        reason = next((_broken(other, ended[other]) for other in job.after if ended.get(other, _OK) is not _OK), None)
        if reason:
            decision.fail[job.job_id] = reason
        elif all(other in ended for other in job.after) and running < job.max_jobs and _have_room(job, pools):
            decision.launch.append(job.job_id)
            running += 1
            pools.update(job.pools.keys())
    return decision


_OK = Outcome.COMPLETED


def _have_room(job: Waiting, pools: Mapping[str, int]) -> bool:
    return all(pools.get(pool, 0) < limit for pool, limit in job.pools.items())


def _broken(job_id: str, outcome: Outcome | None) -> str:
    if outcome is None:
        return f"not started: job {job_id}, which it was to run after, no longer exists"
    return f"not started: job {job_id}, which it was to run after, ended as {outcome.value}"
