"""The load of this machine."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, kw_only=True)
class Load:
    """The load of the machine.

    Attributes:
        cpu: share of all processors that was busy since the last look, 0 to 1; ``None`` at the first look.
        cpus: processors that this process may use.
        load: processes that ran or wanted to run, on average over the last minute.
        memory_used: bytes that are not available to new processes.
        memory: bytes of memory.
        swap_used: bytes of swap in use.
        swap: bytes of swap.
        disk_used: bytes in use on the disk of a directory; 0 if the directory does not exist.
        disk: bytes of that disk that this user may use.
    """

    cpu: float | None
    cpus: int
    load: float
    memory_used: int
    memory: int
    swap_used: int
    swap: int
    disk_used: int
    disk: int


class Machine:
    """Looks at the machine. The busy share of time is the one between two looks."""

    def __init__(self, directory: str) -> None:
        """Takes a directory whose disk is looked at too."""
        self._directory = directory
        self._has_looked = False

    def look(self) -> Load:
        """Return the load; it reads small files, so call it in a thread."""
        busy, cpu = psutil.cpu_percent(None) / 100, None
        if self._has_looked:
            cpu = busy
        self._has_looked = True
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        disk_used = disk = 0
        with contextlib.suppress(OSError):  # the directory was removed
            usage = psutil.disk_usage(self._directory)
            disk_used, disk = usage.used, usage.used + usage.free
        return Load(
            cpu=cpu,
            cpus=_cpus(),
            load=os.getloadavg()[0],
            memory_used=memory.total - memory.available,
            memory=memory.total,
            swap_used=swap.used,
            swap=swap.total,
            disk_used=disk_used,
            disk=disk,
        )


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
