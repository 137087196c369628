"""Sends a signal to exactly the process that was seen, never to a later process with the same pid.

The caller says how to check that a pid still means the process: by its start time. The signal goes through a
descriptor of the process (pidfd), which is opened first and checked afterwards. So it cannot reach another process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def send_exactly(pid: int, number: int, *, is_still: Callable[[], bool]) -> bool:
    """Signal a process; returns whether the process existed and this one was allowed to signal it.

    Args:
        pid: pid of the process.
        number: number of the signal.
        is_still: checks whether the pid means that process at this moment.
    """
    try:
        if not hasattr(os, "pidfd_open"):
            return is_still() and _send_by_pid(pid, number)
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    except OSError:  # an old kernel, or a sandbox that forbids pidfd_open
        return is_still() and _send_by_pid(pid, number)
    try:
        if not is_still():
            return False
        signal.pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(descriptor)
    return True


def _send_by_pid(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
