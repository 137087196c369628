"""Clears away what a dead runner left, and records that its job is lost.

There is no parent any more to ask who belongs to the job, so the cookie tells. The ladder is the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from dataclasses import field

from mcp_background_job.core.ladder import Step
from mcp_background_job.core.recovery import REBOOT, RUNNER_GONE
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import ancestry, lock, records
from mcp_background_job.jobdir.boot import boot_id, machine
from mcp_background_job.jobdir.ending import publish
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.segments import open_segments
from mcp_background_job.jobdir.records import Exit, Spec, Status
from mcp_background_job.kernel import tree
from mcp_background_job.kernel.hunt import Hunt, can_look
from mcp_background_job.kernel.survivors import explained, living, mark_of
from mcp_background_job.runner.exit_record import MAX_REASON
from mcp_background_job.runner.family.climber import MAX_KILLED_PIDS, Climber, send_to_each
from mcp_background_job.runner.family.kin import Kin

#: Nobody reads these processes' output any more, and most have died of that; the others get this long to end politely.
GRACE_S = 2.0

#: What is said where it cannot be known whether something is left.
_CANNOT_LOOK = "/proc is not there, so it is not known whether processes of it are left"
_TOO_FAST = "processes of it may be left, which fork and end faster than they can be listed"


def sweep(job: JobDir, spec: Spec, *, killed_by: str | None) -> list[JobDir]:
    """End every process of the job and write its exit record; returns what was taken out of the queue with it.

    Args:
        job: the job; the caller holds its lock.
        spec: what was asked.
        killed_by: who wanted the job stopped and found its runner dead or deaf; then it ends as killed, not as lost.
    """
    before = _last_status(job)
    if _is_elsewhere(before):
        return []  # its runner may live
    rebooted = before is not None and before.boot_id != boot_id()
    announce(job)  # unless that was done: the runner may have died just before we took its lock
    # The cookie names the directory that it was made for: a copy, in a backup say, must not end the original's job.
    is_ours = not rebooted and job.is_named_in(spec.cookie)
    kin = Kin(job)
    kin.tell(ancestry.GRACE_S)  # now, so that they end while what is left here does
    left = _end_all(Hunt(spec.cookie, before.pid or 0 if before else 0)) if is_ours else _Left()
    while others := kin.left():
        tree.wait_for_any([other.pid for other in others], kin.look_again_at() - time.monotonic())
    reason = REBOOT if rebooted else RUNNER_GONE
    if killed_by is not None:
        reason = f"stopped for {killed_by}, together with its runner, which did not answer"
    reason = "; ".join(filter(None, (f"{reason}{left.told}", kin.named())))
    first, end = _extent(job)
    publish(
        job,
        Exit(
            outcome=(Outcome.LOST if killed_by is None else Outcome.KILLED).value,
            ended_at=time.time(),
            started_at=before.started_at if before else None,
            reason=reason[:MAX_REASON],
            output_bytes=end,
            dropped_bytes=first,
            stop_requested=before.stop_requested if before else None,
            swept=left.swept,
            survivors=left.survivors,
            is_certain=left.is_certain,
            ended_with=kin.ended(),
        ),
    )
    lock.release_mine()
    return kin.withdrawn


def _is_elsewhere(status: Status | None) -> bool:
    return status is not None and status.machine not in ("", machine()) and status.boot_id != boot_id()


def _last_status(job: JobDir) -> Status | None:
    try:
        return records.read(Status, job.status)
    except CorruptRecordError:  # it proves that a runner was there, and no more is needed here
        return None


def announce(job: JobDir) -> None:
    """Say that somebody sweeps up after the dead runner of a job, before its lock is taken.

    Whoever sees the lock held takes its holder for the job's runner, and the lost job for a running one, unless this
    was said before. It may be said by one who does not get the lock: the runner is dead, whoever sweeps.
    """
    before = _last_status(job)
    if _is_elsewhere(before) or (before is not None and before.sweeping):
        return
    status = before or Status(state=State.RUNNING.value, boot_id=boot_id(), runner_pid=os.getpid())
    status = dataclasses.replace(status, runner_pid=os.getpid(), machine=machine(), sweeping=True)
    with contextlib.suppress(OSError):
        records.write(job.status, records.encode(status))


@frozen
class _Left:
    """What a dead runner left, and what became of it.

    Attributes:
        swept: how many processes were met alive.
        survivors: marks of those that SIGKILL has not ended.
        told: the same in words, to be added to a sentence.
        is_certain: nobody else can be alive.
    """

    swept: int = 0
    survivors: list[str] = field(default_factory=list[str])
    told: str = ""
    is_certain: bool = True


def _end_all(hunt: Hunt) -> _Left:
    """Escalate step by step; returns which processes there were, and which survived."""
    if not can_look():
        return _Left(told=f"; {_CANNOT_LOOK}", is_certain=False)
    climber = Climber(signal.SIGTERM, GRACE_S, send_to_each)
    while True:
        targets = hunt.look(kill=climber.is_killing)
        step, due = climber.climb(targets, alive=not hunt.is_over)
        if step is Step.DONE:
            return _Left(len(hunt.met))
        if step is Step.REPORT_SURVIVORS:
            return _survivors(hunt, targets)
        if targets:
            tree.wait_for_any([target.pid for target in targets], (due or 0.0) - time.monotonic())


def _survivors(hunt: Hunt, targets: list[tree.Process]) -> _Left:
    marks = [mark_of(process) for process in targets[:MAX_KILLED_PIDS]]
    if not living(marks):
        return _Left(len(hunt.met), told=f"; {_TOO_FAST}", is_certain=False)
    survivors = explained([process.pid for process in targets])
    return _Left(len(hunt.met), marks, f"; still alive after SIGKILL: {survivors}")


def _extent(job: JobDir) -> tuple[int, int]:
    """Return the offset of the oldest byte of the log that is kept, and the offset behind the newest."""
    with contextlib.ExitStack() as stack:
        parts = open_segments(stack, job)
        return (parts[0].first, parts[-1].end) if parts else (0, 0)
