"""The load of the machine and of its GPUs: the subject ``machine``."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject
from mcp_background_job.executors import lanes

if TYPE_CHECKING:
    from mcp_background_job.processes.gpu import GpuLook, Gpus
    from mcp_background_job.processes.machine import Load, Machine

#: Milliseconds since the epoch; the share of processors that were busy; the bytes of memory in use.
LoadPoint = tuple[int, float | None, int]

#: Milliseconds since the epoch; the bytes of GPU memory; the share of GPU time.
GpuPoint = tuple[int, int, float | None]

#: Seconds between two looks while any page shows the machine: no event reports its load.
EVERY_S = 2.0

#: The looks that are remembered: a page draws them when it is opened.
_KEPT = 150

#: The looks that are remembered of a job on a GPU; and the most jobs with such looks.
_KEPT_OF_JOB = 1800
_MAX_JOBS = 64


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The whole machine."""


class Machines:
    """Looks at the machine for all pages.

    Attributes:
        gpus: the GPUs at the newest look, ``None`` before the first.
        looked_at: when that look was (seconds since the epoch).
    """

    def __init__(self, directory: str) -> None:
        """Takes the directory whose disk is measured."""
        self._directory = directory
        self._turn = asyncio.Lock()
        self._machine: Machine | None = None
        self._gpu_look: GpuLook | None = None
        self._asking: asyncio.Future[Gpus] | None = None
        self._jobs: dict[str, deque[GpuPoint]] = {}
        self._past: deque[LoadPoint] = deque(maxlen=_KEPT)
        self._load: Load | None = None
        self.gpus: Gpus | None = None
        self.looked_at = 0.0

    async def refresh(self) -> None:
        """Look, unless the last look is recent."""
        async with self._turn:
            if self._load and 0 <= time.time() - self.looked_at < EVERY_S:
                return
            self._load = await lanes.look(self._look)
            self.looked_at = time.time()
            self._past.append((round(self.looked_at * 1000), self._load.cpu, self._load.memory_used))
            await self._look_at_gpus()

    def _look(self) -> Load:
        from mcp_background_job.processes.machine import Machine

        if self._machine is None:
            self._machine = Machine(self._directory)
        return self._machine.look()

    async def _look_at_gpus(self) -> None:
        # A driver may hang. So one thread of its own waits for it, and no caller waits longer than a look.
        if self._asking is None:
            self._asking = asyncio.ensure_future(lanes.lasting(self._gpus))
        done, _ = await asyncio.wait({self._asking}, timeout=EVERY_S / 4)
        if done:
            self.gpus, self._asking = self._asking.result(), None
            self._remember(self.gpus)

    def _remember(self, gpus: Gpus) -> None:
        now = round(self.looked_at * 1000)
        for job_id, used in gpus.jobs.items():
            self._jobs.setdefault(job_id, deque(maxlen=_KEPT_OF_JOB)).append((now, used.memory, used.load))
        if len(self._jobs) > _MAX_JOBS:
            for job_id in self._jobs.keys() - gpus.jobs.keys():
                del self._jobs[job_id]

    def of_job(self, job_id: str) -> list[GpuPoint]:
        """Return a job's use of the GPUs during past looks: milliseconds, bytes, share of time."""
        return list(self._jobs.get(job_id, ()))

    def _gpus(self) -> Gpus:
        from mcp_background_job.processes.gpu import GpuLook

        if self._gpu_look is None:
            self._gpu_look = GpuLook()
        return self._gpu_look.look()

    async def look(self, _caller: Caller, _request: Whole, cursor: Cursor) -> Seen | None:
        """Return the load of the machine, now and during past looks."""
        await self.refresh()
        if cursor == self.looked_at or self._load is None:
            return None
        since = cursor * 1000 if isinstance(cursor, int | float) else 0.0
        facts: Facts = {
            **asdict(self._load),
            "gpus": [asdict(gpu) for gpu in self.gpus.devices] if self.gpus else [],
            "past": [list(point) for point in self._past if point[0] > since],
        }
        return Seen(self.looked_at, facts)

    async def wait(self, _caller: Caller, _request: Whole, cursor: Cursor) -> None:
        """Return when it is time for another look."""
        if cursor == self.looked_at:
            await asyncio.sleep(max(0.0, self.looked_at + EVERY_S - time.time()))


def machine_subject(machines: Machines) -> Subject[Any]:
    """Return the machine as a subject."""
    return Subject("machine", Whole, machines.look, machines.wait)
