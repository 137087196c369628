"""Which boot of the machine this is: pids of an earlier one mean nobody."""

from __future__ import annotations

import os


def boot_id() -> str:
    """Return what tells this boot from others; empty where the system does not say."""
    try:
        descriptor = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 64).decode().strip()
    finally:
        os.close(descriptor)
