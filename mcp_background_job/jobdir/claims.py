"""Claims: a process that is about to launch a job has claimed it, whether the job was queued or not.

A process that serves the queue claims a job under the queue's lock, and launches it after it releases that lock. A
process that starts a job at once claims it before it marks it open. So every look at the queue counts the job as
running from the first moment.

A claimed job counts as running, and no other process launches it. A claim is a lock on a file, so the kernel voids it
if its holder dies before a runner owns the job. The job is then still in the queue, and the next look finds it. A
forked runner inherits its claim and holds it until it has the job's own lock.
"""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import JobDir, StateDir, is_job_id


class Claim:
    """The right to launch a job, until it is released or this process ends."""

    def __init__(self, job: JobDir, path: str, descriptor: int) -> None:
        """Takes the descriptor that holds the lock."""
        self.job = job
        self.descriptor = descriptor
        self._path = path

    def release(self) -> None:
        """Release the claim: a runner owns the job, or none will."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        os.close(self.descriptor)


def take(state: StateDir, job_id: str) -> Claim | None:
    """Claim a job; ``None`` if another process has it."""
    path = os.path.join(state.claims, job_id)
    while (descriptor := lock.acquire(path)) is not None:
        if _is_file(descriptor, path):
            return Claim(state.job(job_id), path, descriptor)
        os.close(descriptor)  # it was removed before this locked it: no process would see this claim
    return None


def is_taken(state: StateDir, job_id: str) -> bool:
    """Tell whether a process is about to launch a job."""
    return lock.holder_of(os.path.join(state.claims, job_id)) is not None


def living(state: StateDir) -> set[str]:
    """Return the ids of all claimed jobs, and remove dead processes' claims. The caller holds the queue's lock."""
    claimed: set[str] = set()
    for job_id in filter(is_job_id, _names(state.claims)):
        path = os.path.join(state.claims, job_id)
        if lock.holder_of(path) or not _remove(path):
            claimed.add(job_id)
    return claimed


def _remove(path: str) -> bool:
    """Remove the claim of a dead process; returns whether it was one."""
    # Under its lock: if a process took it in between, its claim would be gone without its knowledge.
    descriptor = lock.acquire(path)
    if descriptor is None:
        return False
    with contextlib.suppress(FileNotFoundError):  # just released
        os.unlink(path)
    os.close(descriptor)
    return True


def _is_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
