"""Identities of this machine and its boot: pids of another machine or an earlier boot mean no process here."""

from __future__ import annotations

import functools
import os
import time


@functools.cache
def boot_id() -> str:
    """Return the identity of this boot; empty if the system does not give one.

    It does not change while a process lives.
    """
    try:
        descriptor = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 64).decode().strip()
    finally:
        os.close(descriptor)


def uptime() -> float:
    """Return the seconds since this machine was started, by a monotonic clock that goes on during sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@functools.cache
def machine() -> str:
    """Return the identity of this machine, which a restart does not change; it is looked up once.

    It is ``/etc/machine-id``, or the host name if there is no such file, as in many containers. Containers may share an
    id with their host, and then share its boots too. Cloned machines with the same id count as one.
    """
    try:
        with open("/etc/machine-id", "rb") as file:
            found = file.read(64).decode(errors="replace").strip()
    except OSError:
        found = ""
    return found or os.uname().nodename
