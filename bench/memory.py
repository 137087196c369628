"""The size of a process, at present and at most."""

from __future__ import annotations

import contextlib


def reset_peak(pid: int) -> float:
    """Make the kernel forget a process's largest size, if it can; returns the present size in KiB."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")  # proc(5): reset the peak resident set size
    return memory(pid, "VmRSS")


def memory(pid: int, field: str) -> float:
    """Return a size of a process in KiB: ``VmRSS`` is the present one, ``VmHWM`` the largest so far."""
    with open(f"/proc/{pid}/status") as file:
        return next(float(line.split()[1]) for line in file if line.startswith(f"{field}:"))
