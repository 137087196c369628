"""The jobs that were asked for within a job: they end when it is ended before its time, and outlive its own end.

Who they are stands in their specs (``parent``), whoever launched their runners and wherever those hang in the tree.
They are not processes of this job: each has a runner, which is told to end and does the rest. Those that still wait in
the queue are left there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from mcp_background_job.core.ladder import KILL_PATIENCE_S
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import lock, records, runners
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.marks import open_jobs
from mcp_background_job.jobdir.records import SYSTEM, Spec, Status, StopRequest
from mcp_background_job.jobdir.requests import MAX_GRACE_S
from mcp_background_job.kernel import tree

#: Time between the polite signal and SIGKILL where nobody says.
GRACE_S = 5.0

#: How long, beyond the grace period, their runners are waited for: SIGKILL's patience, and some more to write it down.
#: What survives is theirs to report.
_PATIENCE_S = KILL_PATIENCE_S + 2.0


class Kin:
    """The jobs within one job, as its runner deals with them."""

    def __init__(
        self, job: JobDir, *, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None]
    ) -> None:
        """Does nothing yet.

        Args:
            job: the job whose runner this is.
            watch: has the loop call something when a descriptor can be read.
            unwatch: the reverse.
        """
        self._job = job
        self._watch = watch
        self._unwatch = unwatch
        self._told: set[tuple[int, int]] = set()
        self._left: set[int] = set()
        self._until = 0.0

    def tell(self, grace_s: float) -> None:
        """Tell those to end that were not told yet; the job's own wish to stop must be published by now."""
        self._until = max(self._until, time.monotonic() + min(grace_s, MAX_GRACE_S) + _PATIENCE_S)
        for process in running_within(self._job):
            if (process.pid, process.start) not in self._told:
                self._told.add((process.pid, process.start))
                self._tell(process)

    def due(self) -> float | None:
        """Return until when (monotonic seconds) to wait for those who were told; ``None`` if for nobody."""
        return self._until if self._left and time.monotonic() < self._until else None

    def _tell(self, process: tree.Process) -> None:
        if tree.send_to_any(process, signal.SIGTERM):
            with contextlib.suppress(OSError, AttributeError):  # it has just ended, or there are no such descriptors
                descriptor = os.pidfd_open(process.pid)
                self._left.add(descriptor)
                self._watch(descriptor, lambda: self._on_end(descriptor))

    def _on_end(self, descriptor: int) -> None:
        self._unwatch(descriptor)
        self._left.discard(descriptor)
        os.close(descriptor)


def running_within(job: JobDir) -> list[tree.Process]:
    """Return the runners of the jobs that were asked for within a job, or within one of those.

    Those of its own state directory are found by their marks, those of others as far as they are below this process.
    """
    found: dict[int, tree.Process] = {}
    for process in tree.runners_below(os.getpid()):
        other = runners.job_of(process.pid)
        if other and runners.has_ancestor(other, job.job_id):
            found[process.pid] = process
    for job_id in set(open_jobs(job.state_dir)) - {job.job_id}:
        other = job.state_dir.job(job_id)
        if runners.has_ancestor(other, job.job_id) and (process := _runner_of(other)):
            found[process.pid] = process
    return list(found.values())


def _runner_of(job: JobDir) -> tree.Process | None:
    holder = lock.holder_of(job.lock)
    process = tree.look_up(holder.pid) if holder and holder.pid else None
    # Looked up first and asked afterwards: whoever had the lock is then still who was looked up.
    return process if process and runners.is_runner_of(process.pid, job) else None


def stop_of_ancestor(job: JobDir) -> StopRequest | None:
    """Return how a job that was told to end should do so, if that is because of a job that it was asked for within.

    ``None`` if none of those is being ended. What is read here was written by processes of this user, and says no more
    than how politely, and why, a job ends that ends anyhow.
    """
    met: set[str] = set()
    while (parent := runners.parent_of(job)) is not None and parent not in met:
        met.add(parent)
        job = job.state_dir.job(parent)
        if request := _stop_of(job):
            return request
    return None


def _stop_of(ancestor: JobDir) -> StopRequest | None:
    try:
        status = records.read(Status, ancestor.status)
        spec = records.read(Spec, ancestor.spec)
    except CorruptRecordError:
        return None
    if status is None:
        return None
    why = f"ended with job {ancestor.job_id}"
    wish = status.stop_requested
    if wish is not None and wish.signal in signal.Signals.__members__:
        grace_s = min(max(0.0, wish.grace_s), MAX_GRACE_S)
        return StopRequest(at=time.time(), by=wish.by, why=why, signal=wish.signal, grace_s=grace_s)
    if status.sweeping or (status.leader_exit and spec and spec.leftovers == "kill"):
        return StopRequest(at=time.time(), by=SYSTEM, why=why, signal="SIGTERM", grace_s=GRACE_S)
    return None
