"""Serves the queue: starts what may start, and ends what never will.

Whoever has a reason to look calls this: a server that queued a job, and every runner as its last act, so that a queued
job starts when its turn comes even if no server is left. What is decided is in ``core.schedule``; how a runner comes
into being is the caller's business.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mcp_background_job.core.schedule import Waiting, decide
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import lock, records
from mcp_background_job.jobdir.ending import end_unowned
from mcp_background_job.jobdir.layout import JobDir, StateDir, is_job_id
from mcp_background_job.jobdir.observe import observe
from mcp_background_job.jobdir.records import Exit, Spec

#: The queue is locked while a few runners are launched. Whoever cannot get it in this time leaves the work to the one
#: who has it, who looks again before letting go.
LOCK_PATIENCE_S = 10.0

#: Marks of jobs whose directory has no spec are removed when they are this old: the job was never recorded.
_UNRECORDED_AGE_S = 60.0


def open_jobs(state: StateDir) -> list[str]:
    """Return the ids of all jobs that are marked as not ended."""
    return _marks(state.open)


def queued_jobs(state: StateDir) -> list[str]:
    """Return the ids of all jobs that are marked as waiting for their turn."""
    return _marks(state.queue)


def _marks(directory: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if is_job_id(name)]
    except FileNotFoundError:
        return []


def serve_queue(state: StateDir, boot_id: str, launch: Callable[[JobDir], None]) -> None:
    """Start and end what is due. ``launch`` returns when a runner owns the job, or has ended it as failed."""
    with lock.held(state.queue_lock, patience_s=LOCK_PATIENCE_S) as got:
        while got and _serve_once(state, boot_id, launch):
            pass  # an end may be what another job waits for


@dataclass
class _Survey:
    """What the marks of open jobs lead to."""

    queue: list[Waiting] = field(default_factory=list[Waiting])
    running: int = 0
    in_pools: Counter[str] = field(default_factory=Counter[str])
    live: set[str] = field(default_factory=set[str])
    unowned: set[str] = field(default_factory=set[str])  # queued, whether or not their spec can be read


def _serve_once(state: StateDir, boot_id: str, launch: Callable[[JobDir], None]) -> bool:
    survey = _survey(state, boot_id)
    for job_id in set(queued_jobs(state)) - survey.unowned:
        _unlink(state.queue_mark(job_id))
    if any(job.pools for job in survey.queue):
        survey.in_pools = _in_pools(state, survey.live - survey.unowned)
    ended = _ended(state, survey.queue, survey.live, boot_id)
    decision = decide(survey.queue, survey.running, ended, survey.in_pools)
    for job_id, reason in decision.fail.items():
        end_unowned(state.job(job_id), Exit(outcome=Outcome.FAILED.value, ended_at=time.time(), reason=reason))
    for job_id in decision.launch:
        launch(state.job(job_id))
    for job_id in {job.job_id for job in survey.queue} - {*decision.launch, *decision.fail}:
        records.touch(state.queue_mark(job_id))  # whoever recorded it may have died before
    return bool(decision.fail)


def _survey(state: StateDir, boot_id: str) -> _Survey:
    survey = _Survey()
    for job_id in open_jobs(state):
        job = state.job(job_id)
        seen = observe(job, boot_id)
        if seen.state is State.EXITED:
            if not seen.sweep:
                _unlink(state.open_mark(job_id))
            continue
        if seen.state is not State.QUEUED:
            survey.running += 1
            survey.live.add(job_id)
            continue
        survey.unowned.add(job_id)
        if waiting := _waiting(state, job):
            survey.queue.append(waiting)
            survey.live.add(job_id)
    return survey


def _waiting(state: StateDir, job: JobDir) -> Waiting | None:
    try:
        spec = records.read(Spec, job.spec)
    except CorruptRecordError:
        return None  # shown as such wherever the job is shown; it cannot be started
    if spec is None:
        mark = state.open_mark(job.job_id)
        try:
            age = time.time() - os.stat(mark).st_mtime
        except FileNotFoundError:
            return None
        if age > _UNRECORDED_AGE_S:
            _unlink(mark)
        return None
    return Waiting(job.job_id, spec.created_at, spec.max_jobs, tuple(spec.after), spec.pools)


def _in_pools(state: StateDir, running: set[str]) -> Counter[str]:
    """Count the running jobs of each pool."""
    pools: Counter[str] = Counter()
    for job_id in running:
        with contextlib.suppress(CorruptRecordError):  # what nobody can read was asked for in no pool
            spec = records.read(Spec, state.job(job_id).spec)
            pools.update(spec.pools.keys() if spec else ())
    return pools


def _ended(state: StateDir, queue: list[Waiting], live: set[str], boot_id: str) -> dict[str, Outcome | None]:
    names = {other for job in queue for other in job.after} - live
    ended: dict[str, Outcome | None] = {}
    for name in names:
        job = state.job(name)
        ended[name] = observe(job, boot_id).outcome if os.path.exists(job.spec) else None
    return ended


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
