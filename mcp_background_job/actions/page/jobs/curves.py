"""The resource usage of a job from its first second to now, as curves: the subject ``curve``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.page.jobs.latest import cpu_between
from mcp_background_job.actions.page.jobs.machine import Machines
from mcp_background_job.actions.page.jobs.one import One
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.usage import UNKNOWN, Sample
from mcp_background_job.jobs.manager import JobManager

#: Seconds between two looks: a job's runner takes at most one sample a second.
_EVERY_S = 1.0


class Curves:
    """Curves of jobs."""

    def __init__(self, manager: JobManager, machines: Machines) -> None:
        """Takes the manager of jobs, and the object that knows the GPUs."""
        self._manager = manager
        self._machines = machines

    async def look(self, caller: Caller, request: One, cursor: Cursor) -> Seen | None:
        """Return the points that a cursor has not seen.

        A point has: milliseconds since the epoch, processors, bytes of memory, processes, offset in the log, bytes read
        and written so far. A point of the GPUs has: milliseconds, bytes of memory, share of time.
        """
        seen, seen_gpu = _seen(cursor)
        job = await self._manager.find(request.job_id, caller.looks)
        store = self._manager.places.store_of(job.job_id)
        samples = await lanes.look(store.samples, job.job_id)
        points = points_of(samples, seen)
        gpu = [point for point in self._machines.of_job(job.job_id) if point[0] > seen_gpu]
        if seen >= 0 and not points and not gpu:
            return None
        now = [samples[-1].elapsed_s if samples else max(seen, 0.0), gpu[-1][0] if gpu else seen_gpu]
        return Seen(now, {"points": points, "gpu": [list(point) for point in gpu], "whole": seen < 0})

    async def wait(self, _caller: Caller, request: One, cursor: Cursor) -> None:
        """Return when there is another sample."""
        seen, seen_gpu = _seen(cursor)
        store = self._manager.places.store_of(request.job_id)
        while True:
            await asyncio.sleep(_EVERY_S)
            newest = await lanes.look(store.latest_samples, request.job_id, 1)
            await self._machines.refresh()
            gpu = self._machines.of_job(request.job_id)
            if (newest and newest[0].elapsed_s > seen) or (gpu and gpu[-1][0] > seen_gpu):
                return


def points_of(samples: Sequence[Sample], since: float) -> list[list[float | None]]:
    """Return the points of samples behind a moment (seconds since the job started), with the rates in between. Pure.

    Args:
        samples: oldest first; the rate of the first one is its average since the job's start.
        since: only samples after this; negative for all.
    """
    points: list[list[float | None]] = []
    for number, sample in enumerate(samples):
        if sample.elapsed_s <= since:
            continue
        before = samples[number - 1] if number else None
        cpu = cpu_between(before, sample) if before else _since_start(sample)
        moved = [None if count == UNKNOWN else count for count in (sample.read_bytes, sample.written_bytes)]
        at = round(sample.at * 1000)
        points.append([at, cpu, sample.memory, sample.processes, sample.output_bytes, *moved])
    return points


def _since_start(sample: Sample) -> float | None:
    return round(sample.cpu_s / sample.elapsed_s, 3) if sample.elapsed_s > 0 else None


def _seen(cursor: Cursor) -> tuple[float, float]:
    match cursor:
        case [int() | float() as seen, int() | float() as gpu]:
            return seen, gpu
        case _:
            return -1.0, 0.0


def curve_subject(manager: JobManager, machines: Machines) -> Subject[Any]:
    """Return the curves of a job as a subject."""
    curves = Curves(manager, machines)
    return Subject("curve", One, curves.look, curves.wait)
