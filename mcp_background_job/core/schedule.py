"""Which queued jobs may start now, and which never will. It decides; the caller launches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import NamedTuple

from mcp_background_job.core.states import Outcome
from mcp_background_job.core.values import frozen

#: The pool of all agents.
RUNS = "runs"

_NO_POOLS: Mapping[str, int] = MappingProxyType({})


class Waiting(NamedTuple):
    """The facts about a job that the queue needs. A tuple, since a look makes thousands of them.

    Attributes:
        job_id: its id.
        created_at: seconds since the epoch; the queue is served in this order.
        max_jobs: how many jobs may run at once, by the limit of the caller that queued it.
        after: ids of the jobs that must have completed before this one starts.
        pools: for each pool that the job is in, how many of its jobs may run at once.
        is_own: the job is this program's own: it does not count, and no limit delays it.
        ancestors: ids of the jobs that this one was asked for within, the nearest first.
    """

    job_id: str
    created_at: float
    max_jobs: int
    after: tuple[str, ...] = ()
    pools: Mapping[str, int] = _NO_POOLS
    is_own: bool = False
    ancestors: tuple[str, ...] = ()


class Room:
    """Which jobs take which places.

    A job that was asked for within another uses that one's place. If it needed its own, the outer job could wait for
    itself.
    """

    def __init__(self, running: Iterable[Waiting] = ()) -> None:
        """Takes the jobs that run."""
        self._running = {job.job_id: job for job in running}
        self._taken: set[str] = set()
        self._pools: defaultdict[str, set[str]] = defaultdict(set)
        for job in self._running.values():
            self._seat(job)

    def add(self, job: Waiting) -> None:
        """Count one more job as running."""
        self._running[job.job_id] = job
        self._seat(job)

    def holders(self) -> set[str]:
        """Return the ids of the jobs that take a place."""
        return self._taken

    def in_pool(self, pool: str) -> set[str]:
        """Return the ids of the jobs that take a place in a pool."""
        return self._pools[pool]

    def has_place_for(self, job: Waiting) -> bool:
        """Tell whether one more job may run, apart from pools."""
        return job.is_own or self._host(job) != job.job_id or len(self._taken) < job.max_jobs

    def full_pools(self, job: Waiting) -> list[str]:
        """Return the pools of a job that have no room for it."""
        return [
            pool
            for pool, limit in job.pools.items()
            if self._host_in(pool, job) == job.job_id and len(self._pools[pool]) >= limit
        ]

    def _seat(self, job: Waiting) -> None:
        if not job.is_own:
            self._taken.add(self._host(job))
        for pool in job.pools:
            self._pools[pool].add(self._host_in(pool, job))

    def _host(self, job: Waiting) -> str:
        """Return the job whose place a job uses: its farthest ancestor that runs and takes one, or the job itself."""
        found = (self._running.get(ancestor) for ancestor in reversed(job.ancestors))
        return next((ancestor.job_id for ancestor in found if ancestor and not ancestor.is_own), job.job_id)

    def _host_in(self, pool: str, job: Waiting) -> str:
        # Agents are counted as jobs are. In the other pools each job uses the thing itself, so each takes a place.
        if pool != RUNS:
            return job.job_id
        found = (self._running.get(ancestor) for ancestor in reversed(job.ancestors))
        return next((ancestor.job_id for ancestor in found if ancestor and pool in ancestor.pools), job.job_id)


@frozen
class Decision:
    """A decision on the queue: which jobs to launch, in this order, and which to fail or end.

    Each job that fails has its reason; each that ends has the id of the ancestor that it ends with.
    """

    launch: list[str] = field(default_factory=list[str])
    fail: dict[str, str] = field(default_factory=dict[str, str])
    end: dict[str, str] = field(default_factory=dict[str, str])


def decide(
    queue: list[Waiting],
    running: Iterable[Waiting],
    ended: Mapping[str, Outcome | None],
    stopped: Container[str] = (),
) -> Decision:
    """Decide about the queue. A job whose pool is full delays only the jobs behind it in that pool.

    Args:
        queue: all queued jobs.
        running: the jobs that run now.
        ended: outcome by job id, for every job in an ``after`` that is not live; ``None`` if the outcome is unknown.
        stopped: the ancestors with which queued jobs end.
    """
    queue = sorted(queue, key=lambda job: (job.created_at, job.job_id))
    ending = {job.job_id: ancestor for job in queue if (ancestor := _ends_with(job, stopped))}
    decision = Decision(fail=_hopeless(queue, ended, ending), end=ending)
    room = Room(running)
    for job in queue:
        if job.job_id in ending or job.job_id in decision.fail or not room.has_place_for(job):
            continue
        if all(other in ended for other in job.after) and not room.full_pools(job):
            decision.launch.append(job.job_id)
            room.add(job)
    return decision


def _ends_with(job: Waiting, stopped: Container[str]) -> str | None:
    return next((ancestor for ancestor in reversed(job.ancestors) if ancestor in stopped), None)


def _hopeless(queue: list[Waiting], ended: Mapping[str, Outcome | None], ending: Mapping[str, str]) -> dict[str, str]:
    """Return the jobs that will never start, with the reason: all of a chain at once, however long it is."""
    followers: defaultdict[str, list[str]] = defaultdict(list)
    for job in queue:
        for other in job.after:
            followers[other].append(job.job_id)
    fail: dict[str, str] = {}
    broken = [(other, ended[other]) for other in followers if ended.get(other, _OK) is not _OK]
    broken += [(other, Outcome.KILLED) for other in ending]
    while broken:
        other, outcome = broken.pop()
        for job_id in followers[other]:
            if job_id not in fail and job_id not in ending:
                fail[job_id] = _broken(other, outcome)
                broken.append((job_id, Outcome.FAILED))
    return fail


_OK = Outcome.COMPLETED


def _broken(job_id: str, outcome: Outcome | None) -> str:
    if outcome is None:
        return f"not started: job {job_id}, which it was to run after, no longer exists"
    return f"not started: job {job_id}, which it was to run after, ended as {outcome.value}"
