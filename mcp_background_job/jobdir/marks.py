"""The marks of unended jobs: which jobs they are, and the facts about each that the queue needs."""

from __future__ import annotations

import os

from mcp_background_job.core.schedule import Waiting
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir, is_job_id
from mcp_background_job.jobdir.records import OpenMark, Spec


def open_jobs(state: StateDir) -> list[str]:
    """Return the ids of all jobs that are marked as unended."""
    return _names(state.open)


def queued_jobs(state: StateDir) -> list[str]:
    """Return the ids of all jobs that are marked as queued."""
    return _names(state.queue)


def is_any_queued(state: StateDir) -> bool:
    """Tell whether a job is queued; the cost does not depend on their number."""
    try:
        with os.scandir(state.queue) as entries:
            return any(is_job_id(entry.name) for entry in entries)
    except FileNotFoundError:
        return False


def _names(directory: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if is_job_id(name)]
    except FileNotFoundError:
        return []


def waiting_of(spec: Spec) -> Waiting:
    """Return the facts that the queue needs about a job with this spec."""
    return Waiting(
        spec.job_id,
        spec.created_at,
        spec.max_jobs,
        tuple(spec.after),
        spec.pools,
        spec.is_own,
        tuple(spec.ancestors),
    )


def mark_open(state: StateDir, job: Waiting) -> None:
    """Mark a job as unended; the mark holds the facts that the queue needs.

    A spec holds a whole environment, so a process that serves the queue reads the mark instead.
    """
    mark = OpenMark(
        created_at=job.created_at,
        max_jobs=job.max_jobs,
        after=list(job.after),
        pools=dict(job.pools),
        is_own=job.is_own,
        ancestors=list(job.ancestors),
    )
    descriptor = os.open(state.open_mark(job.job_id), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # A reader of a half written mark takes the facts from the spec, which was written before.
        records.write_all(descriptor, records.encode(mark))
    finally:
        os.close(descriptor)


def facts_of(state: StateDir, job_id: str) -> Waiting | None:
    """Return the facts that the queue needs about a job that is marked open; ``None`` if they are unknown.

    Release 1.0.0 makes empty marks: the facts of its jobs are in their specs.
    """
    try:
        mark = records.read(OpenMark, state.open_mark(job_id))
    except CorruptRecordError:
        return _from_spec(state, job_id)
    if mark is None:
        return None
    return Waiting(
        job_id, mark.created_at, mark.max_jobs, tuple(mark.after), mark.pools, mark.is_own, tuple(mark.ancestors)
    )


def _from_spec(state: StateDir, job_id: str) -> Waiting | None:
    try:
        spec = records.read(Spec, state.job(job_id).spec)
    except CorruptRecordError:
        return None  # it is shown as damaged, and cannot be started
    return waiting_of(spec) if spec else None
