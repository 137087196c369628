"""Ends the processes that a dead runner left, and records that its job is lost.

There is no parent any more that would show which processes belong to the job, so the cookie does. The escalation is the
same.
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

#: Seconds. Nothing reads these processes' output any more, and most died of that; the others have this long to end
#: politely.
GRACE_S = 2.0

#: Sentences for the case that it is unknown whether processes are left.
_CANNOT_LOOK = "/proc is not there, so it is not known whether processes of it are left"
_TOO_FAST = "processes of it may be left, which fork and end faster than they can be listed"


def sweep(job: JobDir, spec: Spec, *, killed_by: str | None) -> list[JobDir]:
    """End every process of the job and write its exit record; returns the jobs withdrawn from the queue with it.

    Args:
        job: the job; the caller holds its lock.
        spec: its spec.
        killed_by: who wanted the job stopped and found its runner dead or unresponsive; it then ends as killed, not as
            lost.
    """
    before = _last_status(job)
    if _is_elsewhere(before):
        return []  # its runner may live
    rebooted = before is not None and before.boot_id != boot_id()
    announce(job)  # unless that was done: the runner may have died just before this took its lock
    # The cookie names the directory that it was made for. A copy, such as a backup, must not end the original's job.
    is_ours = not rebooted and job.is_named_in(spec.cookie)
    kin = Kin(job)
    kin.tell(ancestry.GRACE_S)  # now, so they end at the same time as the processes here
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
    except CorruptRecordError:  # even this proves that a runner existed, and no more is needed here
        return None


def announce(job: JobDir) -> None:
    """Publish that this process sweeps up after the dead runner of a job, before its lock is taken.

    Otherwise a process that sees the lock held would take its holder for the job's runner, and the lost job for a
    running one. A process that does not get the lock may publish it too: the runner is dead, whichever process sweeps.
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
    """The processes that a dead runner left, and their ends.

    Attributes:
        swept: number of processes that were found alive.
        survivors: marks of the processes that SIGKILL has not ended.
        told: the same in words, as the end of a sentence.
        is_certain: no other process of the job can be alive.
    """

    swept: int = 0
    survivors: list[str] = field(default_factory=list[str])
    told: str = ""
    is_certain: bool = True


def _end_all(hunt: Hunt) -> _Left:
    """Escalate step by step; returns the processes that were found, and those that survived."""
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
    """Return the offset of the oldest kept byte of the log, and the offset behind the newest."""
    with contextlib.ExitStack() as stack:
        parts = open_segments(stack, job)
        return (parts[0].first, parts[-1].end) if parts else (0, 0)
