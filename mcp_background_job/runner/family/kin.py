"""The jobs that were asked for within a job: they end when it is ended before its time, and outlive its own end.

Who they are stands in their specs (``ancestors``), whoever launched their runners and wherever those hang in the tree.
They are not processes of this job: each has a runner, which is told to end and does the rest. One that has no runner
yet is taken out of the queue. ``jobdir.ancestry`` says why none is missed.
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

#: How long, beyond the grace period, their runners are waited for: SIGKILL's patience, and some more to write it down.
#: What survives is theirs to report.
_PATIENCE_S = KILL_PATIENCE_S + 2.0

#: How often to look for those that nobody can wait for: a runner in the making, a system without pidfds.
_LOOK_AGAIN_S = 0.1

#: So many of those that ended are named in a sentence.
_MAX_NAMED = 10


class Kin:
    """The jobs within one job, as whoever ends that deals with them.

    Attributes:
        told: those that were told to end, by id.
        withdrawn: those of them that were taken out of the queue. The commands for their ends are to be run when this
            job is over: they would be processes of it.
    """

    def __init__(self, job: JobDir) -> None:
        """Does nothing yet; ``job`` is the one whose kin this is."""
        self.told: dict[str, JobDir] = {}
        self.withdrawn: list[JobDir] = []
        self._job = job
        self._signalled: set[tuple[int, int]] = set()
        self._until = 0.0

    def tell(self, grace_s: float) -> list[tree.Process]:
        """Tell all of them to end; the job's own stop must be published by now. Returns their runners."""
        self._until = max(self._until, time.monotonic() + min(grace_s, MAX_GRACE_S) + _PATIENCE_S)
        return self._tell()

    def left(self) -> list[tree.Process] | None:
        """Tell those that have come since; returns whose end is to be waited for, ``None`` if nobody's any more.

        They are listed until a listing has shown nobody: one that is ending may just have asked for another.
        """
        if time.monotonic() >= self._until:
            return None
        return self._tell() or None

    def look_again_at(self) -> float:
        """Return when (monotonic seconds) to look again, although the end of nobody was noticed."""
        return min(self._until, time.monotonic() + _LOOK_AGAIN_S)

    def ended(self) -> list[str]:
        """Return the ids of those that ended because they were told to, or have not ended yet."""
        return sorted(job_id for job_id, job in self.told.items() if _has_heeded(job))

    def named(self) -> str:
        """Return the sentence on them; empty if there are none."""
        ids = self.ended()
        named = [ancestry.label_of(self.told[job_id]) for job_id in ids[:_MAX_NAMED]]
        more = f" and {len(ids) - _MAX_NAMED} more" if len(ids) > _MAX_NAMED else ""
        return f"with it ended {', '.join(named)}{more}" if named else ""

    def _tell(self) -> list[tree.Process]:
        # Noted before anybody is told: the runner of one may be the first to take another out of the queue.
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
        """Take those out of the queue that have no runner, and will find that they have ended if they get one."""
        state = self._job.state_dir
        stop = None
        for job_id in set(ancestry.open_descendants(state, self._job.job_id)) - running:
            stop = stop or ancestry.stop_of_ancestors(state, (self._job.job_id, *ancestry.ancestors_of(self._job)))
            other = state.job(job_id)
            with contextlib.suppress(OSError):  # a full disk: it sees the stop itself when its turn comes
                self.told[job_id] = other
                if stop and record_end(other, ancestry.withdrawn(stop)):
                    self.withdrawn.append(other)


def _running_within(job: JobDir) -> list[tuple[JobDir, tree.Process]]:
    """Return the jobs that were asked for within a job, or within one of those, and have a runner; and that.

    Those of its own state directory are found by their marks, those of others as far as they are below this process.
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
    # Looked up first and asked afterwards: whoever had the lock is then still who was looked up.
    return process if process and runners.is_runner_of(process.pid, job) else None


def _has_heeded(job: JobDir) -> bool:
    try:
        record = records.read(Exit, job.exit)
    except CorruptRecordError:
        return True
    return record is None or record.stop_requested is not None


class Vigil:
    """Has a loop called when one of the runners that are waited for ends."""

    def __init__(self, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None]) -> None:
        """Takes what has the loop call something when a descriptor can be read, and the reverse."""
        self._watch = watch
        self._unwatch = unwatch
        self._watched: set[tuple[int, int]] = set()

    def keep(self, processes: list[tree.Process]) -> None:
        """Wait for the end of these too."""
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
