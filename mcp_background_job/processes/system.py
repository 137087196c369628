"""Facts about the machine."""

from __future__ import annotations

from pathlib import Path


def boot_id() -> str:
    """Return what tells this boot from others; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
