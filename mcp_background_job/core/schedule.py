"""Which queued jobs may start now, and which never will. Decides; the caller launches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from mcp_background_job.core.states import Outcome

_NO_POOLS: Mapping[str, int] = MappingProxyType({})


class Waiting(NamedTuple):
    """What the queue must know of a job. A tuple, since thousands of them are made at a look.

    Attributes:
        job_id: its id.
        created_at: seconds since the epoch; the queue is served in this order.
        max_jobs: how many jobs may run at once according to whoever queued it.
        after: ids of the jobs that must have completed before it starts.
        pools: how many jobs of each pool that it is in may run at once.
        is_own: it is this program's own: it is not counted, and no count holds it up.
    """

    job_id: str
    created_at: float
    max_jobs: int
    after: tuple[str, ...] = ()
    pools: Mapping[str, int] = _NO_POOLS
    is_own: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do with the queue: launch these, in this order; fail those, each for its reason."""

    launch: list[str] = field(default_factory=list[str])
    fail: dict[str, str] = field(default_factory=dict[str, str])


def decide(
    queue: list[Waiting],
    running: int,
    ended: Mapping[str, Outcome | None],
    in_pools: Mapping[str, int] | None = None,
) -> Decision:
    """Decide what becomes of the queue.

    Args:
        queue: all queued jobs.
        running: how many jobs run now, without this program's own.
        ended: outcome by job id, for every job named in an ``after`` that is not live; ``None`` if it is unknown.
        in_pools: how many of the running jobs are in each pool. A job whose pool is full holds up none but those
            behind it in that pool.
    """
    queue = sorted(queue, key=lambda job: (job.created_at, job.job_id))
    decision = Decision(fail=_hopeless(queue, ended))
    pools = Counter(in_pools or {})
    for job in queue:
        has_place = job.is_own or running < job.max_jobs
        if has_place and job.job_id not in decision.fail and _has_its_turn(job, ended, pools):
            decision.launch.append(job.job_id)
            running += not job.is_own
            pools.update(job.pools.keys())
    return decision


def _hopeless(queue: list[Waiting], ended: Mapping[str, Outcome | None]) -> dict[str, str]:
    """Return the jobs that will never start, with the reason: all of a chain at once, however long it is."""
    followers: defaultdict[str, list[str]] = defaultdict(list)
    for job in queue:
        for other in job.after:
            followers[other].append(job.job_id)
    fail: dict[str, str] = {}
    broken = [(other, ended[other]) for other in followers if ended.get(other, _OK) is not _OK]
    while broken:
        other, outcome = broken.pop()
        for job_id in followers[other]:
            if job_id not in fail:
                fail[job_id] = _broken(other, outcome)
                broken.append((job_id, Outcome.FAILED))
    return fail


_OK = Outcome.COMPLETED


def _has_its_turn(job: Waiting, ended: Mapping[str, Outcome | None], pools: Mapping[str, int]) -> bool:
    return all(other in ended for other in job.after) and all(
        pools.get(pool, 0) < limit for pool, limit in job.pools.items()
    )


def _broken(job_id: str, outcome: Outcome | None) -> str:
    if outcome is None:
        return f"not started: job {job_id}, which it was to run after, no longer exists"
    return f"not started: job {job_id}, which it was to run after, ended as {outcome.value}"
