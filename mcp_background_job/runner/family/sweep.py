"""Clears away what a dead runner left, and records that its job is lost.

There is no parent any more to ask who belongs to the job, so the cookie tells. The ladder is the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import signal
import time

from mcp_background_job.core.ladder import Step
from mcp_background_job.core.recovery import REBOOT, RUNNER_GONE
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import lock, records
from mcp_background_job.jobdir.boot import boot_id, machine
from mcp_background_job.jobdir.ending import publish
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit, Spec, Status
from mcp_background_job.jobdir.segments import open_segments
from mcp_background_job.kernel import tree
from mcp_background_job.runner.family.climber import Climber, send_to_each
from mcp_background_job.runner.family.kin import running_within

#: Nobody reads these processes' output any more, and most have died of that; the others get this long to end politely.
GRACE_S = 2.0

#: How long to wait for a process where the system has no descriptors of processes to wait on.
_BLIND_WAIT_S = 0.05


def sweep(job: JobDir, spec: Spec, *, killed_by: str | None) -> None:
    """End every process of the job and write its exit record.

    Args:
        job: the job; the caller holds its lock.
        spec: what was asked.
        killed_by: who wanted the job stopped and found its runner dead or deaf; then it ends as killed, not as lost.
    """
    before = _last_status(job)
    if _is_elsewhere(before):
        return  # its runner may live
    rebooted = before is not None and before.boot_id != boot_id()
    _announce(job, before)
    # The cookie names the directory that it was made for: a copy, in a backup say, must not end the original's job.
    survivors = [] if rebooted or not job.is_named_in(spec.cookie) else _end_all(spec.cookie)
    if killed_by is not None:
        for process in running_within(job):
            tree.send_to_any(process, signal.SIGTERM)
    reason = REBOOT if rebooted else RUNNER_GONE
    if killed_by is not None:
        reason = f"stopped for {killed_by}, together with its runner, which did not answer"
    if survivors:
        reason += f"; still alive after SIGKILL: {', '.join(map(str, survivors))}"
    first, end = _extent(job)
    publish(
        job,
        Exit(
            outcome=(Outcome.LOST if killed_by is None else Outcome.KILLED).value,
            ended_at=time.time(),
            started_at=before.started_at if before else None,
            reason=reason,
            output_bytes=end,
            dropped_bytes=first,
            stop_requested=before.stop_requested if before else None,
        ),
    )
    lock.release_mine()


def _is_elsewhere(status: Status | None) -> bool:
    return status is not None and status.machine not in ("", machine()) and status.boot_id != boot_id()


def _last_status(job: JobDir) -> Status | None:
    try:
        return records.read(Status, job.status)
    except CorruptRecordError:  # it proves that a runner was there, and no more is needed here
        return None


def _announce(job: JobDir, before: Status | None) -> None:
    # So that nobody who sees the lock held takes us for the job's runner.
    status = before or Status(state=State.RUNNING.value, boot_id=boot_id(), runner_pid=os.getpid())
    status = dataclasses.replace(status, runner_pid=os.getpid(), machine=machine(), sweeping=True)
    with contextlib.suppress(OSError):
        records.write(job.status, records.encode(status))


def _end_all(cookie: str) -> list[int]:
    """Climb the ladder; returns what survived it."""
    climber = Climber(signal.SIGTERM, GRACE_S, send_to_each)
    while True:
        targets = tree.carriers(cookie)
        step, due = climber.climb(targets, alive=bool(targets))
        if step is Step.DONE:
            return []
        if step is Step.REPORT_SURVIVORS:
            return [process.pid for process in targets]
        _wait_for_any(targets, (due or 0.0) - time.monotonic())


def _wait_for_any(processes: list[tree.Process], timeout_s: float) -> None:
    """Wait until one of the processes ends, or for the time given."""
    poll = select.poll()
    descriptors: list[int] = []
    try:
        for process in processes:
            with contextlib.suppress(OSError, AttributeError):  # it has just ended, or there are no such descriptors
                descriptors.append(os.pidfd_open(process.pid))
                poll.register(descriptors[-1], select.POLLIN)
        if not descriptors:
            timeout_s = min(timeout_s, _BLIND_WAIT_S)
        poll.poll(max(0.0, timeout_s) * 1000)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _extent(job: JobDir) -> tuple[int, int]:
    """Return the offset of the oldest byte of the log that is kept, and the offset behind the newest."""
    with contextlib.ExitStack() as stack:
        parts = open_segments(stack, job)
        return (parts[0].first, parts[-1].end) if parts else (0, 0)
