"""Looks at a job's processes, every second at first, and keeps a curve of what they use."""

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

#: Elsewhere than on Linux there is no such bookkeeping to read; who looks on from outside may ask psutil.
CAN_SAMPLE = sys.platform == "linux"

#: At most this share of a core goes into looking: trees of thousands of processes are looked at more rarely.
_SHARE = 0.005


class Sampler:
    """Samples one job. Sums that only grow never go back, although a process that has just died is in none of them.

    Attributes:
        due: when to look next, in monotonic seconds.
        peak_memory: the largest sum of resident bytes seen.
    """

    def __init__(self, job: JobDir, log: Log, started: float) -> None:
        """Takes the job's directory and log, and when the job was started, in monotonic seconds."""
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
        """Look and add to the curve, if it is time."""
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
        """Something happens in the job: look as soon as at one that is not at rest."""
        self.due = min(self.due, self._soonest)

    def finish(self) -> None:
        """End the curve with what was used in all; a job that ended before the first look has none."""
        if self._curve.is_begun:
            self._keep()

    def _keep(self) -> tuple[object, ...]:
        """Returns what of the sample changes when something happens in the job."""
        sample, _ = self.look()
        with contextlib.suppress(OSError):  # no disk, no curve; what is needed at the end is remembered here
            self._curve.add(sample)
        return sample.processes, sample.cpu_s, sample.read_bytes, sample.written_bytes, sample.output_bytes

    def look(self) -> tuple[Sample, list[Process]]:
        """Look at the job's processes; returns those that live, too."""
        began = time.monotonic()
        # The dead first, and parents before their children: who ends in between is missed, and never counted twice.
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
