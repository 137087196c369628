"""The load of GPUs and their processes, as NVML reports it: the library behind ``nvidia-smi``, from the extra ``gpu``.

Without the extra, a driver or a GPU there are none. Values that a GPU does not report are left out, and the rest is
returned: GPUs that are split into instances report no load, old ones none per process.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE, is_job_id

_MODULE = "pynvml"

#: The driver keeps samples of some seconds. The first look uses only the newest.
_FIRST_LOOK_S = 2.0

#: Processes whose jobs are remembered; more than any machine has on its GPUs.
_KNOWN = 1000


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        name: its maker's name for it.
        load: share of time in which it worked, 0 to 1; ``None`` if it does not report it.
        memory_used: bytes in use.
        memory: bytes that it has.
    """

    name: str
    load: float | None
    memory_used: int
    memory: int


@dataclass
class JobOnGpu:
    """A job's share of the GPUs.

    Attributes:
        memory: bytes in use.
        load: share of one GPU's time; with two GPUs it may be 2. ``None`` if it is not reported.
    """

    memory: int = 0
    load: float | None = None


@frozen
class Gpus:
    """All GPUs of the machine, and the jobs on them by their ids."""

    devices: list[Gpu] = field(default_factory=list[Gpu])
    jobs: dict[str, JobOnGpu] = field(default_factory=dict[str, JobOnGpu])


NONE = Gpus()


def _initialised() -> Any:
    """Return NVML; ``None`` without the extra, a driver or a GPU: none of these appears while this process lives."""
    try:
        nvml: Any = importlib.import_module(_MODULE)
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


class GpuLook:
    """Looks at the GPUs. A driver that hangs never answers, so use a thread that nothing else needs."""

    def __init__(self) -> None:
        """Begins without a look."""
        self._nvml: Any = None
        self._is_absent = False
        self._since: dict[int, int] = {}
        self._job_of: dict[tuple[int, float], str | None] = {}

    def look(self) -> Gpus:
        """Return the present state of the GPUs. Two threads must not call this at once."""
        nvml = self._opened()
        if nvml is None:
            return NONE
        found = Gpus()
        for number in range(self._told(nvml.nvmlDeviceGetCount) or 0):
            if (device := self._told(nvml.nvmlDeviceGetHandleByIndex, number)) is not None:
                self._add(found, number, device)
        return found

    def _opened(self) -> Any:
        if self._nvml is None and not self._is_absent:
            self._nvml = _initialised()
            self._is_absent = self._nvml is None
        return self._nvml

    def _told(self, question: Callable[..., Any], *about: Any) -> Any:
        """Return NVML's answer; ``None`` if this GPU or driver does not report it."""
        with contextlib.suppress(self._nvml.NVMLError):
            return question(*about)
        return None

    def _add(self, found: Gpus, number: int, device: Any) -> None:
        nvml = self._nvml
        name = self._told(nvml.nvmlDeviceGetName, device) or f"GPU {number}"
        memory = self._told(nvml.nvmlDeviceGetMemoryInfo, device)
        rates = self._told(nvml.nvmlDeviceGetUtilizationRates, device)
        found.devices.append(
            Gpu(
                name=name.decode(errors="replace") if isinstance(name, bytes) else str(name),  # old bindings
                load=None if rates is None else rates.gpu / 100,
                memory_used=memory.used if memory else 0,
                memory=memory.total if memory else 0,
            )
        )
        self._add_memory(found, device)
        self._add_load(found, number, device)

    def _add_memory(self, found: Gpus, device: Any) -> None:
        nvml = self._nvml
        # A process that computes and draws is in both lists, with the same memory.
        held: dict[int, int] = {}
        for question in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
            for process in self._told(question, device) or ():
                held[process.pid] = max(held.get(process.pid, 0), process.usedGpuMemory or 0)
        for pid, size in held.items():
            if job_id := self._job(pid):
                found.jobs.setdefault(job_id, JobOnGpu()).memory += size

    def _add_load(self, found: Gpus, number: int, device: Any) -> None:
        since = self._since.get(number) or int((time.time() - _FIRST_LOOK_S) * 1e6)
        samples = self._told(self._nvml.nvmlDeviceGetProcessUtilization, device, since) or ()
        self._since[number] = max((sample.timeStamp for sample in samples), default=since)
        by_pid: dict[int, list[int]] = {}
        for sample in samples:
            by_pid.setdefault(sample.pid, []).append(sample.smUtil)
        for pid, loads in by_pid.items():
            if job_id := self._job(pid):
                job = found.jobs.setdefault(job_id, JobOnGpu())
                job.load = (job.load or 0.0) + sum(loads) / len(loads) / 100

    def _job(self, pid: int) -> str | None:
        """Return the job that a process names in its environment.

        The result is only shown: any process could claim a job.
        """
        try:
            process = psutil.Process(pid)
            key = pid, process.create_time()
            if key not in self._job_of:
                if len(self._job_of) >= _KNOWN:
                    self._job_of.clear()
                self._job_of[key] = process.environ().get(JOB_ID_VARIABLE)
        except psutil.Error:  # it has ended, or is another user's
            return None
        job_id = self._job_of[key]
        return job_id if job_id and is_job_id(job_id) else None
