"""Serves the queue: finds the jobs that may start, and ends those that never will.

A server calls this when it has queued a job, and every runner calls it as its last act. So a queued job starts when its
turn comes, even if no server is left. ``core.schedule`` decides; the caller makes the runners.

Only looks and claims happen under the lock, and no process waits for it. A process that finds it held leaves a mark,
and the holder looks again. So a job that is stuck in its launch, and its launcher, delay nothing else.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from mcp_background_job.core.schedule import Waiting, decide
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import ancestry, claims, lock, marks, order, records
from mcp_background_job.jobdir.claims import Claim
from mcp_background_job.jobdir.ending import end_unowned
from mcp_background_job.jobdir.layout import JobDir, StateDir, is_job_id
from mcp_background_job.jobdir.observe import Observation, observe
from mcp_background_job.jobdir.records import Exit, Spec, StopRequest

#: Seconds. An older mark of a job whose directory has no spec is removed: the job was never recorded.
_UNRECORDED_AGE_S = 60.0


def may_start_at_once(state: StateDir, job: Waiting) -> bool:
    """Tell whether a job that is marked open need not queue.

    Its mark exists before the count: of two concurrent starts, the later one counts both. Its claim exists before the
    mark, so no look at the queue gives its place to another job. If jobs are queued, a new one queues behind them. So
    the count never exceeds the number of running jobs.
    """
    if job.after or job.pools:
        return False
    if job.is_own or (not marks.is_any_queued(state) and len(marks.open_jobs(state)) <= job.max_jobs):
        return True
    # A job within a job that has a place uses that place, even if others are queued.
    queued = set(marks.queued_jobs(state)) if job.ancestors else set[str]()
    hosts = (marks.facts_of(state, ancestor) for ancestor in job.ancestors if ancestor not in queued)
    return any(host and not host.is_own for host in hosts)


def due(state: StateDir, boot_id: str) -> Iterator[Claim]:
    """Yield the jobs whose turn it is, each claimed for the caller to launch, and end those that will never start.

    The caller releases each claim when a runner owns the job. It must not wait for anything between two claims.
    """
    while (looked := _look_unless_another_does(state, boot_id)) is not None:
        yield from looked.claims
        for job_id, reason in looked.hopeless.items():
            record = Exit(outcome=Outcome.FAILED.value, ended_at=time.time(), reason=reason)
            with contextlib.suppress(OSError):  # a full disk: the next look tries again
                end_unowned(state.job(job_id), record)
        for job_id, stop in looked.ending.items():
            with contextlib.suppress(OSError):
                end_unowned(state.job(job_id), ancestry.withdrawn(stop))
        if not os.path.exists(state.queue_again):
            return


@frozen
class _Looked:
    """The result of a look at the queue."""

    claims: list[Claim]
    hopeless: dict[str, str]
    ending: dict[str, StopRequest]


def _look_unless_another_does(state: StateDir, boot_id: str) -> _Looked | None:
    """Look at the queue, or leave a mark for the process that does so now.

    The race: A has looked, B ends a job and finds the lock held, A releases it, and no look has seen the place that B
    left. So B leaves the mark and tries once more. If the lock is still or again held, its holder releases it after the
    mark was made, then looks for the mark, and finds it. A process that removes the mark looks at the queue afterwards.
    """
    for _ in ("at first", "with word left"):
        with lock.held(state.order_lock) as got:
            if got:
                _unlink(state.queue_again)
                # Release 1.0.0 holds this lock while it launches, perhaps for seconds, and would not look again for
                # this process. The lock keeps that release away during the look, but this process goes on without it: a
                # job that both launch starts once.
                with lock.held(state.queue_lock):
                    return _look(state, boot_id)
        records.touch(state.queue_again)
    return None


@dataclass
class _Survey:
    """The facts from the marks of open jobs."""

    queue: dict[str, Waiting] = field(default_factory=dict[str, Waiting])
    unlisted: list[Waiting] = field(default_factory=list[Waiting])  # queued jobs without an entry
    running: list[Waiting] = field(default_factory=list[Waiting])
    live: set[str] = field(default_factory=set[str])


def _look(state: StateDir, boot_id: str) -> _Looked:
    survey = _survey(state, boot_id)
    taken: list[Claim] = []
    stops = _stops(state, survey)
    while True:
        ended = _ended(state, survey, boot_id)
        decision = decide(list(survey.queue.values()), survey.running, ended, stops)
        are_there = [_take(state, survey, job_id, boot_id, taken) for job_id in decision.launch]
        if all(are_there):
            break  # otherwise there is room for others
    for job in survey.unlisted:
        if job.job_id in survey.queue and job.job_id not in decision.fail and job.job_id not in decision.end:
            _enter_late(state, job, boot_id)
    return _Looked(taken, decision.fail, {job_id: stops[ancestor] for job_id, ancestor in decision.end.items()})


def _stops(state: StateDir, survey: _Survey) -> dict[str, StopRequest]:
    """Return the ancestors with which queued jobs end, and how."""
    ancestors = {ancestor for job in survey.queue.values() for ancestor in job.ancestors}
    stops = {ancestor: ancestry.stop_of(state.job(ancestor)) for ancestor in ancestors}
    return {ancestor: stop for ancestor, stop in stops.items() if stop}


def _survey(state: StateDir, boot_id: str) -> _Survey:
    # The order of these listings matters. A claim is released after the job has left the queue, and a job is marked
    # open before it enters the queue and until it has ended. So no listing misses one, and an entry that is not open
    # has ended.
    claimed = claims.living(state)
    entries = order.entries(state)
    marked = set(marks.queued_jobs(state))
    live = set(marks.open_jobs(state))
    # A job that starts at once is claimed first and marked open then: all live ones have a claim here now, or a runner.
    claimed |= claims.living(state)
    for job_id in entries.keys() - live:
        order.remove(state, job_id, entries[job_id].name)
    for job_id in marked - live:
        _unlink(state.queue_mark(job_id))

    survey = _Survey(live=live)
    for job_id in live & claimed:
        survey.running += filter(None, [marks.facts_of(state, job_id)])
    for job_id, entry in entries.items():
        if job_id in live and job_id not in claimed:
            job = entry.job if entry.is_whole else marks.facts_of(state, job_id)
            if job:
                survey.queue[job_id] = job
    for job_id in live - claimed - entries.keys():
        _observe(state, survey, job_id, boot_id)
    return survey


def _observe(state: StateDir, survey: _Survey, job_id: str, boot_id: str) -> None:
    """Look at an open job without an entry: it runs, has just ended, or was queued by another release."""
    seen = observe(state.job(job_id), boot_id)
    if seen.state is not State.QUEUED:
        _note(state, survey, job_id, seen)
    elif job := marks.facts_of(state, job_id):
        survey.queue[job_id] = job
        survey.unlisted.append(job)
    else:
        _forget_if_unrecorded(state, job_id)


def _note(state: StateDir, survey: _Survey, job_id: str, seen: Observation) -> None:
    """Note that a job runs or has ended."""
    if seen.state is not State.EXITED:
        survey.running.append(marks.facts_of(state, job_id) or Waiting(job_id, 0.0, 0))
        return
    survey.live.discard(job_id)
    if not seen.sweep:
        _unlink(state.open_mark(job_id))


def _forget_if_unrecorded(state: StateDir, job_id: str) -> None:
    mark = state.open_mark(job_id)
    with contextlib.suppress(FileNotFoundError):
        if not os.path.exists(state.job(job_id).spec) and time.time() - os.stat(mark).st_mtime > _UNRECORDED_AGE_S:
            os.unlink(mark)


def _take(state: StateDir, survey: _Survey, job_id: str, boot_id: str, taken: list[Claim]) -> bool:
    """Claim a job that may start; returns whether it could be claimed."""
    job = survey.queue.pop(job_id)
    seen = observe(state.job(job_id), boot_id)
    if seen.state is not State.QUEUED:
        order.leave(state, job)  # release 1.0.0 has launched or withdrawn it, and knows no entries
        _note(state, survey, job_id, seen)
        return False
    if not _can_be_read(state.job(job_id)):
        return False  # it stays queued, and is shown as damaged, until it is withdrawn
    survey.running.append(job)
    if claim := claims.take(state, job_id):
        taken.append(claim)  # otherwise the claim's holder launches it
    return True


def _can_be_read(job: JobDir) -> bool:
    try:
        return records.read(Spec, job.spec) is not None
    except CorruptRecordError:
        return False  # the job is shown as damaged


def _enter_late(state: StateDir, job: Waiting, boot_id: str) -> None:
    """Put a job into the queue whose recorder did not: it may have died before."""
    order.enter(state, job)
    # It may just have been launched. Its runner first takes the job's lock and then removes the entry: either that
    # comes after the entry was made, or the lock is visible here.
    if observe(state.job(job.job_id), boot_id).state is not State.QUEUED:
        order.leave(state, job)


def _ended(state: StateDir, survey: _Survey, boot_id: str) -> dict[str, Outcome | None]:
    """Return the outcomes of the jobs that queued jobs wait for; ``None`` for one that no longer exists."""
    names = {other for job in survey.queue.values() for other in job.after} - survey.live
    return {name: _outcome(state, name, boot_id) for name in names}


def _outcome(state: StateDir, job_id: str, boot_id: str) -> Outcome | None:
    if not is_job_id(job_id) or not os.path.exists(state.job(job_id).spec):
        return None
    return observe(state.job(job_id), boot_id).outcome


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
