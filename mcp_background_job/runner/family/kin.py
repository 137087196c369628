"""The jobs that were asked for within a job: they end if it is ended early, and outlive it if it ends by itself.

Their specs name their ancestors (``ancestors``), whoever launched their runners and wherever those are in the tree.
They are not processes of this job: each has a runner, which is told to end and does the rest. A job without a runner is
withdrawn from the queue. ``jobdir.ancestry`` explains why none is missed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from mcp_background_job.core.ladder import KILL_PATIENCE_S
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import ancestry, lock, records, runners
from mcp_background_job.jobdir.ending import record_end
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.jobdir.requests import MAX_GRACE_S
from mcp_background_job.kernel import tree

#: Seconds, beyond the grace period, to wait for their runners: SIGKILL's patience, and time to write the record. Their
#: runners report survivors.
_PATIENCE_S = KILL_PATIENCE_S + 2.0

#: Seconds between looks at jobs whose end cannot be waited for: a process that becomes a runner, a system without
#: pidfds.
_LOOK_AGAIN_S = 0.1

#: A sentence names at most this many of the ended jobs.
_MAX_NAMED = 10


class Kin:
    """The jobs within one job, for the process that ends that job.

    Attributes:
        told: the jobs that were told to end, by id.
        withdrawn: those that were withdrawn from the queue. The commands at their ends are to run when this job is
            over: otherwise they would be processes of it.
    """

    def __init__(self, job: JobDir) -> None:
        """Does nothing yet; ``job`` is the job whose kin this is."""
        self.told: dict[str, JobDir] = {}
        self.withdrawn: list[JobDir] = []
        self._job = job
        self._signalled: set[tuple[int, int]] = set()
        self._until = 0.0

    def tell(self, grace_s: float) -> list[tree.Process]:
        """Tell all of them to end, after the job's own stop was published. Returns their runners."""
        self._until = max(self._until, time.monotonic() + min(grace_s, MAX_GRACE_S) + _PATIENCE_S)
        return self._tell()

    def left(self) -> list[tree.Process] | None:
        """Tell newly found jobs to end; returns the runners to wait for, ``None`` if there are none left.

        They are listed until a listing has found none: one that is ending may just have asked for another.
        """
        if time.monotonic() >= self._until:
            return None
        return self._tell() or None

    def look_again_at(self) -> float:
        """Return when (monotonic seconds) to look again if no end was noticed before."""
        return min(self._until, time.monotonic() + _LOOK_AGAIN_S)

    def ended(self) -> list[str]:
        """Return the ids of jobs that ended because they were told to, or that have not ended yet."""
        return sorted(job_id for job_id, job in self.told.items() if _has_heeded(job))

    def named(self) -> str:
        """Return the sentence on these jobs; empty if there are none."""
        ids = self.ended()
        named = [ancestry.label_of(self.told[job_id]) for job_id in ids[:_MAX_NAMED]]
        more = f" and {len(ids) - _MAX_NAMED} more" if len(ids) > _MAX_NAMED else ""
        return f"with it ended {', '.join(named)}{more}" if named else ""

    def _tell(self) -> list[tree.Process]:
        # They are noted before any is told: the runner of one may be the first to withdraw another from the queue.
        state = self._job.state_dir
        self.told |= {job_id: state.job(job_id) for job_id in ancestry.open_descendants(state, self._job.job_id)}
        running = _running_within(self._job)
        for other, process in running:
            self.told[other.job_id] = other
            if (process.pid, process.start) not in self._signalled:
                self._signalled.add((process.pid, process.start))
                tree.send_to_any(process, signal.SIGTERM)
        self._withdraw({other.job_id for other, _ in running})
        return [process for _, process in running]

    def _withdraw(self, running: set[str]) -> None:
        """Withdraw jobs without a runner from the queue.

        If one gets a runner later, that finds that the job has ended.
        """
        state = self._job.state_dir
        stop = None
        for job_id in set(ancestry.open_descendants(state, self._job.job_id)) - running:
            stop = stop or ancestry.stop_of_ancestors(state, (self._job.job_id, *ancestry.ancestors_of(self._job)))
            other = state.job(job_id)
            with contextlib.suppress(OSError):  # a full disk: the job sees the stop itself when its turn comes
                self.told[job_id] = other
                if stop and record_end(other, ancestry.withdrawn(stop)):
                    self.withdrawn.append(other)


def _running_within(job: JobDir) -> list[tuple[JobDir, tree.Process]]:
    """Return the jobs, asked for within a job at any depth, that have a runner, each with its runner.

    Jobs of its own state directory are found by their marks; those of others are found only below this process.
    """
    found: dict[int, tuple[JobDir, tree.Process]] = {}
    for process in tree.runners_below(os.getpid()):
        other = runners.job_of(process.pid)
        if other and job.job_id in ancestry.ancestors_of(other):
            found[process.pid] = other, process
    for job_id in ancestry.open_descendants(job.state_dir, job.job_id):
        other = job.state_dir.job(job_id)
        if process := _runner_of(other):
            found[process.pid] = other, process
    return list(found.values())


def _runner_of(job: JobDir) -> tree.Process | None:
    holder = lock.holder_of(job.lock)
    process = tree.look_up(holder.pid) if holder and holder.pid else None
    # The look comes before the check: if the holder is still the runner then, it is the process that was found.
    return process if process and runners.is_runner_of(process.pid, job) else None


def _has_heeded(job: JobDir) -> bool:
    try:
        record = records.read(Exit, job.exit)
    except CorruptRecordError:
        return True
    return record is None or record.stop_requested is not None


class Vigil:
    """Makes a loop notice when one of the runners that are waited for ends."""

    def __init__(self, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None]) -> None:
        """Takes the functions that make the loop watch a descriptor, and stop watching it."""
        self._watch = watch
        self._unwatch = unwatch
        self._watched: set[tuple[int, int]] = set()

    def keep(self, processes: list[tree.Process]) -> None:
        """Wait also for the ends of these processes."""
        for process in processes:
            key = process.pid, process.start
            if key in self._watched:
                continue
            with contextlib.suppress(OSError, AttributeError):  # it has just ended, or there are no such descriptors
                descriptor = os.pidfd_open(process.pid)
                self._watched.add(key)
                self._watch(descriptor, lambda descriptor=descriptor: self._on_end(descriptor))

    def _on_end(self, descriptor: int) -> None:
        self._unwatch(descriptor)
        os.close(descriptor)
