"""What Linux offers a process and the standard library does not."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

#: From <linux/prctl.h>
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

#: Looked up once, by the spawner: every runner that did so itself would have its own copy of what that takes.
_prctl: Callable[..., int] | None = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def become_subreaper() -> bool:
    """Make orphans below this process its children; returns whether this system can do that."""
    return _prctl is not None and _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def name_process(name: str) -> None:
    """Show this name in ``ps`` and ``top`` (its first 15 bytes) instead of the interpreter's."""
    if _prctl is not None:
        _prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
