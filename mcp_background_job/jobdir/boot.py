"""Which machine this is, and which boot of it: pids of another one, or of an earlier one, mean nobody."""

from __future__ import annotations

import functools
import os
import time


@functools.cache
def boot_id() -> str:
    """Return what tells this boot from others; empty where the system does not say. A process sees only one."""
    try:
        descriptor = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 64).decode().strip()
    finally:
        os.close(descriptor)


def uptime() -> float:
    """Return seconds since this machine was started, by a clock that nobody sets and that goes on during its sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@functools.cache
def machine() -> str:
    """Return what tells this machine from others, also after it was restarted; it is looked up once.

    That is ``/etc/machine-id``, and where there is none, as in many containers, the name of the host. Containers may
    share an id with their host; they share its boots as well. Machines that were cloned together with their id are
    taken for one.
    """
    try:
        with open("/etc/machine-id", "rb") as file:
            found = file.read(64).decode(errors="replace").strip()
    except OSError:
        found = ""
    return found or os.uname().nodename
