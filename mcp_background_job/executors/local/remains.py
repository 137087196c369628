"""Ends the processes that are left of a job that is over, and names those that cannot be ended."""

from __future__ import annotations

import asyncio
import signal
import time

from mcp_background_job.core.ladder import KILL_PATIENCE_S
from mcp_background_job.errors import CorruptRecordError, RunnerSilentError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Cancelled
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.executors.local.sweeping import Sweeping
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.boot import machine
from mcp_background_job.jobdir.records import Exit, Status
from mcp_background_job.kernel import tree
from mcp_background_job.kernel.hunt import Hunt, can_look
from mcp_background_job.kernel.survivors import explained, living

#: Seconds for a sweep: the sweeper's grace period, SIGKILL's patience if something survives, and some more.
_SWEEP_PATIENCE_S = 20.0

#: Seconds between two looks whether a sweep is over.
_BETWEEN_LOOKS_S = 0.02


async def clear_away(store: LocalStore, sweeping: Sweeping, job_id: str) -> Cancelled:
    """End what is left of a job that is over, and return the outcome.

    Raises:
        RunnerSilentError: the remains of a job with a dead runner were not cleared away.
    """
    if await lanes.look(store.is_over, job_id):
        return await lanes.lasting(_cleared_away, store, job_id)
    await _swept(store, sweeping, job_id)
    return await lanes.look(outcome_of_sweep, store, job_id)


def outcome_of_sweep(store: LocalStore, job_id: str) -> Cancelled:
    """Return the outcome of a sweep that has just been made."""
    record = store.observe(job_id).exit
    return _outcome(record, was_live=record is not None and record.swept > 0)


def _cleared_away(store: LocalStore, job_id: str) -> Cancelled:
    record = store.observe(job_id).exit
    left = record is not None and bool(living(record.survivors))
    if record and left:
        _kill(record.survivors)
    if record and not record.is_certain and (found := _hunted_down(store, job_id)) is not None:
        return Cancelled(was_live=found)
    return _outcome(record, was_live=left)


def _hunted_down(store: LocalStore, job_id: str) -> bool | None:
    """Look again for processes that a sweep was not certain to have ended, and end them.

    Returns whether there were any, ``None`` if it is still not certain that none is left.
    """
    job = store.job(job_id)
    try:
        spec, status = store.spec(job_id), records.read(Status, job.status)
    except CorruptRecordError:
        return None
    # As in a sweep: a copy of a job's directory must not end the original's processes. Those that a sweep has missed on
    # another machine cannot be found on this one.
    is_here = status is None or status.machine in ("", machine())
    if spec is None or not is_here or not job.is_named_in(spec.cookie) or not can_look():
        return None
    hunt, deadline = Hunt(spec.cookie), time.monotonic() + KILL_PATIENCE_S
    while not hunt.is_over:
        targets = hunt.look(kill=True)
        if (remaining := deadline - time.monotonic()) <= 0:
            return None
        if targets:
            tree.wait_for_any([target.pid for target in targets], remaining)
    return bool(hunt.met)


def _outcome(record: Exit | None, *, was_live: bool) -> Cancelled:
    if record is None:  # the record is gone with the job's directory
        return Cancelled(was_live)
    if left := [process.pid for process in living(record.survivors)]:
        return Cancelled(was_live, tuple(left), explained(left))
    return Cancelled(was_live, why="" if record.is_certain else record.reason, is_certain=record.is_certain)


async def _swept(store: LocalStore, sweeping: Sweeping, job_id: str) -> None:
    """Return once a lost job has its exit record: a sweep writes it when nothing is left, or when nothing helps."""
    deadline = time.monotonic() + _SWEEP_PATIENCE_S
    while not await lanes.look(store.is_over, job_id):
        await sweeping.sweep(job_id)  # no harm if another process already sweeps
        if time.monotonic() > deadline:
            raise RunnerSilentError(
                f"processes of job {job_id}, whose runner is dead, may be alive: they were not cleared away within "
                f"{_SWEEP_PATIENCE_S:g} s; {store.job(job_id).path}/runner.crash may say why"
            )
        await asyncio.sleep(_BETWEEN_LOOKS_S)


def _kill(marks: list[str]) -> None:
    """Send SIGKILL once more, and wait for the processes to end."""
    deadline = time.monotonic() + KILL_PATIENCE_S
    for process in living(marks):
        tree.send(process, signal.SIGKILL)
    while (left := living(marks)) and (remaining := deadline - time.monotonic()) > 0:
        tree.wait_for_any([process.pid for process in left], remaining)
