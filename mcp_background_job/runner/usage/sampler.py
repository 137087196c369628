"""Samples a job's processes, every second at first, and keeps a curve of their use."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time

from mcp_background_job.core.sampling import SHORTEST_INTERVAL_S, interval_s
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.usage import UNKNOWN, Sample
from mcp_background_job.kernel import counters
from mcp_background_job.kernel.tree import Process, descendants
from mcp_background_job.runner.log.output import Log
from mcp_background_job.runner.usage.curve import Curve

#: Other systems than Linux have no such files to read; observers from outside may ask psutil.
CAN_SAMPLE = sys.platform == "linux"

#: At most this share of a core is spent on samples: trees of thousands of processes are sampled more rarely.
_SHARE = 0.005


class Sampler:
    """Samples one job. Growing sums never go back, although a process that has just died is in none of them.

    Attributes:
        due: when to take the next sample, in monotonic seconds.
        peak_memory: the largest sum of resident bytes that was seen.
    """

    def __init__(self, job: JobDir, log: Log, started: float) -> None:
        """Takes the job's directory and log, and the start of the job, in monotonic seconds."""
        self.due = started + SHORTEST_INTERVAL_S if CAN_SAMPLE else math.inf
        self.peak_memory = 0
        self._took_s = 0.0
        self._soonest = self.due
        self._changed_at = started
        self._signs: tuple[object, ...] = ()
        self._log = log
        self._started = started
        self._curve = Curve(job.usage)
        self._cpu_s = 0.0
        self._read = self._written = 0
        self._dead = counters.NOBODY

    def keep_up(self) -> None:
        """Take a sample and add it to the curve, if it is due."""
        now = time.monotonic()
        if now < self.due:
            return
        signs = self._keep()
        if signs != self._signs:
            self._changed_at, self._signs = now, signs
        age, cost = now - self._started, self._took_s / _SHARE
        self._soonest = now + max(interval_s(age, 0.0), cost)
        self.due = now + max(interval_s(age, now - self._changed_at), cost)

    def stir(self) -> None:
        """Note that something happens in the job: sample it as soon as a job that is not at rest."""
        self.due = min(self.due, self._soonest)

    def finish(self) -> None:
        """End the curve with the job's total use; a job that ended before the first sample has no curve."""
        if self._curve.is_begun:
            self._keep()

    def _keep(self) -> tuple[object, ...]:
        """Return the values of the sample that change when something happens in the job."""
        sample, _ = self.look()
        with contextlib.suppress(OSError):  # no disk, no curve; the values for the end are remembered here
            self._curve.add(sample)
        return sample.processes, sample.cpu_s, sample.read_bytes, sample.written_bytes, sample.output_bytes

    def look(self) -> tuple[Sample, list[Process]]:
        """Take a sample of the job's processes; returns the living ones too."""
        began = time.monotonic()
        # The dead come first, and parents before children: a process that ends in between is missed, and never counted
        # twice.
        dead = self._dead = counters.of_the_dead(self._dead)
        living = descendants(os.getpid())
        memory = counters.memory(living)
        self.peak_memory = max(self.peak_memory, memory)
        self._cpu_s = max(self._cpu_s, dead.cpu_s + counters.cpu_s(living))
        read, written = counters.moved(living)
        if read != UNKNOWN:
            self._read = max(self._read, dead.read_bytes + read)
            self._written = max(self._written, dead.written_bytes + written)
        self._took_s = time.monotonic() - began
        sample = Sample(
            processes=len(living),
            elapsed_s=began - self._started,
            at=time.time(),
            cpu_s=self._cpu_s,
            memory=memory,
            peak_memory=self.peak_memory,
            read_bytes=UNKNOWN if read == UNKNOWN else self._read,
            written_bytes=UNKNOWN if written == UNKNOWN else self._written,
            output_bytes=self._log.end,
        )
        return sample, living
