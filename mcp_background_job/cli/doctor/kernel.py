"""What the kernel offers that jobs are better off with."""

from __future__ import annotations

import ctypes
import os
import sys

#: From <linux/prctl.h>
_PR_GET_CHILD_SUBREAPER = 37

#: What becomes of a job where the kernel lacks something.
CONSEQUENCES = {
    "subreaper": "processes that daemonise are found by their environment only",
    "pidfd": "processes are signalled by pid, after their start time was compared",
    "splice": "output is copied through the runner",
}


def offers() -> dict[str, bool]:
    """Return what there is and what not."""
    return {"subreaper": _has_subreaper(), "pidfd": _has_pidfd(), "splice": hasattr(os, "splice")}


def _has_subreaper() -> bool:
    if sys.platform != "linux":
        return False
    answer = ctypes.c_int()
    return ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0


def _has_pidfd() -> bool:
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel, or a container that forbids it
        return False
    return True
