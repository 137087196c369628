"""Looks at a job's directory and reports the job's present state."""

from __future__ import annotations

import os

from mcp_background_job.core.recovery import Traces, Verdict, judge
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import CorruptRecordError, StateDirError
from mcp_background_job.jobdir import lock, modes, records, runners
from mcp_background_job.jobdir.boot import machine
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.lock import Holder
from mcp_background_job.jobdir.records import Exit, Status


@frozen
class Observation:
    """The present state of a job.

    Attributes:
        state: where it is in its life.
        outcome: how it ended, once it has.
        exit: its exit record; ``None`` for a live job, and for a lost one whose end is not recorded yet.
        status: the last status that its runner published.
        runner_pid: its living runner, as the kernel reports it.
        sweep: a dead runner's processes may be alive and should be ended.
        trouble: a fault of its files, in words.
        engine: its state and place on a cluster, in words; ``None`` for a job of this machine.
        engine_note: an important note of that cluster about it, for example why it waits.
        stale_since: since when the cluster has not answered (seconds since the epoch); everything here is older.
    """

    state: State
    outcome: Outcome | None = None
    exit: Exit | None = None
    status: Status | None = None
    runner_pid: int | None = None
    sweep: bool = False
    trouble: str | None = None
    engine: str | None = None
    engine_note: str | None = None
    stale_since: float | None = None


def told(job: JobDir) -> Observation:
    """Report what the files alone say about a job that may run on another machine; the kernel is not asked.

    A job without a status file is reported as queued.
    """
    try:
        seen = _told(job)
        return seen if seen.trouble is None or not modes.restore(job) else _told(job)
    except PermissionError:
        return _told(job) if modes.restore(job) else Observation(state=State.RUNNING, trouble=f"{job.path} is closed")


def _told(job: JobDir) -> Observation:
    if ended := _ended(job):
        return ended
    status, trouble = _status(job)
    if status is None:
        return Observation(State.STARTING if trouble else State.QUEUED, trouble=trouble)
    return Observation(State(status.state), status=status)


def observe(job: JobDir, boot_id: str) -> Observation:
    """Report the present state of a job, even if it has made its own files unreadable."""
    try:
        seen = _observe(job, boot_id)
        if not seen.trouble:
            return seen
    except PermissionError:
        seen = None
    try:
        return _observe(job, boot_id) if modes.restore(job) or seen is None else seen
    except (PermissionError, StateDirError) as error:
        return seen or Observation(state=State.RUNNING, trouble=str(error))  # it may be running


def _observe(job: JobDir, boot_id: str) -> Observation:
    """Read the files in an order that never makes a job look lost that is just ending or just beginning."""
    holder = lock.holder_of(job.lock)
    ended = _ended(job)
    if ended and (holder is None or _is_believed(ended, holder)):
        return ended
    # What is asked about a process that has ended meanwhile is answered as for one whose record is not believed.
    if ended and lock.holder_of(job.lock) != holder:
        return _observe(job, boot_id)
    status, trouble = _status(job)
    if holder is None:
        # A runner takes the lock before it publishes anything. If one came between the two looks, its lock is there
        # now.
        if (status or trouble) and lock.holder_of(job.lock):
            return _observe(job, boot_id)
        # A runner writes the exit record before it releases the lock. If its lock was there and is gone, even if both
        # happened between two of these looks, the record is there now. So this comes last.
        if ended := _ended(job):
            return ended
        holder = _bereft(job, status, boot_id)
    verdict = judge(
        Traces(
            exited=False,
            owned=holder is not None,
            # Even an unreadable status proves that a runner existed.
            reported=State(status.state) if status else State.STARTING if trouble else None,
            sweeping=status.sweeping if status else False,
            same_boot=status is None or not boot_id or status.boot_id == boot_id,
            # Release 1.0.0 does not record its machine.
            same_machine=status is None or status.machine in ("", machine()),
        )
    )
    return Observation(
        state=verdict.state,
        outcome=Outcome.LOST if verdict.lost else None,
        exit=_lost_exit(verdict, status),
        status=status,
        runner_pid=holder.pid if holder else None,
        sweep=verdict.sweep,
        trouble=trouble,
    )


def _is_believed(ended: Observation, holder: Holder) -> bool:
    """Tell whether a job with an exit record is over although its lock is held: a job may forge that record."""
    if holder.pid is None or ended.trouble or ended.exit is None:  # a damaged record does not end it
        return False
    # A runner that comes too late for a withdrawn job holds its lock until it has seen that. It has no children. A
    # runner whose job writes this record has.
    is_withdrawn = ended.outcome is not Outcome.COMPLETED and ended.exit.started_at is None
    return runners.keeps_lock_beyond_the_end(holder.pid) or (is_withdrawn and not runners.may_have_children(holder.pid))


def _bereft(job: JobDir, status: Status | None, boot_id: str) -> Holder | None:
    """Return the living runner of a job whose lock was removed, perhaps by the job itself."""
    if status is None or (boot_id and status.boot_id != boot_id):
        return None
    pid = runners.find_bereft(job)
    return Holder(pid) if pid else None


def _ended(job: JobDir) -> Observation | None:
    if not job.has_exit:
        return None
    try:
        record = records.read(Exit, job.exit)
    except CorruptRecordError as error:
        # The job is over, and its end is unknown: never a success.
        record = Exit(outcome=Outcome.LOST.value, ended_at=_modified(job.exit), reason=str(error))
        return Observation(state=State.EXITED, outcome=Outcome.LOST, exit=record, trouble=str(error))
    if record is None:
        return None
    return Observation(state=State.EXITED, outcome=Outcome(record.outcome), exit=record)


def _status(job: JobDir) -> tuple[Status | None, str | None]:
    try:
        return records.read(Status, job.status), None
    except CorruptRecordError as error:
        return None, str(error)


def _lost_exit(verdict: Verdict, status: Status | None) -> Exit | None:
    if verdict.lost is None:
        return None
    return Exit(
        outcome=Outcome.LOST.value,
        ended_at=status.started_at if status and status.started_at else 0.0,
        started_at=status.started_at if status else None,
        reason=verdict.lost,
    )


def _modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
