"""The facts that change all the time in running jobs: resource usage, and the last line of output."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypeVar

from mcp_background_job.core.job import Job
from mcp_background_job.core.output.rendering import render
from mcp_background_job.core.states import State
from mcp_background_job.core.text import one_line
from mcp_background_job.executors.base import Store
from mcp_background_job.jobdir.usage import Sample
from mcp_background_job.jobs.manager import JobManager

Kept = TypeVar("Kept")

#: The bytes in which the last line is searched; and the characters of it that are shown.
_LINE_READ = 4096
_LINE_SHOWN = 200

#: A file's time stamp proves that nothing was written since only if it is older than a tick of the clock (seconds).
_SETTLED_S = 0.1

#: The most jobs whose facts are remembered; more than any list shows.
_KEPT = 2000


@dataclass(frozen=True)
class Used:
    """The resource usage of a job now: processors (2.0 means two), bytes of memory, processes."""

    cpu: float | None
    memory: int
    processes: int


class Latest:
    """Remembers what was seen of each job, so that a look without changes costs little."""

    def __init__(self, manager: JobManager) -> None:
        """Remembers nothing yet."""
        self._manager = manager
        self._samples: dict[str, tuple[Sample, float | None]] = {}
        self._lines: dict[str, tuple[float | None, str]] = {}

    def used(self, job: Job) -> Used | None:
        """Return the usage of a running job, ``None`` if it was never seen. Call it in a thread."""
        if job.state is not State.RUNNING:
            self._samples.pop(job.job_id, None)
            return None
        samples = self._manager.places.store_of(job.job_id).latest_samples(job.job_id, 2)
        if not samples:
            return None
        newest, known = samples[0], self._samples.get(job.job_id)
        if known is None:
            cpu = cpu_between(samples[1], newest) if len(samples) > 1 else None
        elif known[0].elapsed_s < newest.elapsed_s:
            cpu = cpu_between(known[0], newest)
        else:
            cpu = known[1]
        _remember(self._samples, job.job_id, (newest, cpu))
        return Used(cpu, newest.memory, newest.processes)

    def line(self, job: Job) -> str:
        """Return the last line of a job's output that is not blank. Call it in a thread."""
        store = self._manager.places.store_of(job.job_id)
        wrote_at = store.last_output_at(job.job_id)
        known = self._lines.get(job.job_id)
        if known and known[0] == wrote_at:
            return known[1]
        line = "" if wrote_at is None else _last_line(store, job.job_id)
        if wrote_at is None or time.time() - wrote_at > _SETTLED_S:
            _remember(self._lines, job.job_id, (wrote_at, line))
        return line


def cpu_between(before: Sample, after: Sample) -> float | None:
    """Return how many processors a job used between two samples, ``None`` if no time lies between them."""
    seconds = after.elapsed_s - before.elapsed_s
    return round(max(0.0, after.cpu_s - before.cpu_s) / seconds, 3) if seconds > 0 else None


def _remember(memory: dict[str, Kept], job_id: str, what: Kept) -> None:
    if len(memory) >= _KEPT and job_id not in memory:
        memory.pop(next(iter(memory)))
    memory[job_id] = what


def _last_line(store: Store, job_id: str) -> str:
    piece = store.read_log_tail(job_id, _LINE_READ)
    skip = piece.data.rfind(b"\n", 0, len(piece.data.rstrip(b"\r\n \t"))) + 1
    rows = render(piece.data[skip:], piece.start + skip)
    return one_line(next((row.text for row in reversed(rows) if row.text.strip()), ""), _LINE_SHOWN)
