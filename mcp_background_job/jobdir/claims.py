"""Claims: who is about to launch a job has claimed it, be it out of the queue or because it need not wait there.

Who serves the queue takes a job under the queue's lock, and launches it when that is released. Who starts a job at once
claims it before it is marked open, so that from the first it is counted as running by all who look at the queue.

A claimed job counts as running, and nobody else launches it. A claim is a lock on a file, so it is void, by the
kernel's word, when its holder dies before a runner owns the job: the job is in the queue still, and the next look finds
it. A forked runner inherits its claim and holds it until it has the job's own lock.
"""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import JobDir, StateDir, is_job_id


class Claim:
    """The right to launch a job, until it is released or this process ends."""

    def __init__(self, job: JobDir, path: str, descriptor: int) -> None:
        """Takes over the descriptor that holds the lock."""
        self.job = job
        self.descriptor = descriptor
        self._path = path

    def release(self) -> None:
        """Let go of it: a runner owns the job, or none will come."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        os.close(self.descriptor)


def take(state: StateDir, job_id: str) -> Claim | None:
    """Claim a job; ``None`` if somebody else has."""
    path = os.path.join(state.claims, job_id)
    while (descriptor := lock.acquire(path)) is not None:
        if _is_file(descriptor, path):
            return Claim(state.job(job_id), path, descriptor)
        os.close(descriptor)  # it was removed between our opening and locking it: nobody would see this claim
    return None


def is_taken(state: StateDir, job_id: str) -> bool:
    """Tell whether somebody is about to launch a job."""
    return lock.holder_of(os.path.join(state.claims, job_id)) is not None


def living(state: StateDir) -> set[str]:
    """Return the ids of all claimed jobs, and remove the claims of the dead. The caller holds the queue's lock."""
    claimed: set[str] = set()
    for job_id in filter(is_job_id, _names(state.claims)):
        path = os.path.join(state.claims, job_id)
        if lock.holder_of(path) or not _remove(path):
            claimed.add(job_id)
    return claimed


def _remove(path: str) -> bool:
    """Remove the claim of somebody who died; returns whether it was that."""
    # Under its lock, so that nobody takes it in between: the claim would be gone, and its holder would not know.
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
