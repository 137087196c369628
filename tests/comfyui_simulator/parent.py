"""The tie to the test that started this process: the test learns when the port is bound, and takes this process along.

A restarted simulator inherits the variable but not the pipe: it has no tie.
"""

import contextlib
import ctypes
import os
import signal

from tests.patience import scaled

#: The kernel's name of the pipe that the port is written to, as ``pipe:[4711]``.
PARENT_VARIABLE = "SIMULATOR_PARENT"

#: A simulator ends by itself after this time, even while it holds the interpreter's lock. No nightly test takes longer.
LIFE_S = scaled(3600.0)

_PR_SET_PDEATHSIG = 1


def limit_life() -> None:
    """Make the kernel end this process after its longest life, since Python code may be unable to."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, LIFE_S)


def tie() -> None:
    """Make the kernel kill this process when the test dies, even if this process is stopped."""
    if _descriptor() is not None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def announce(port: int) -> None:
    """Tell the test that the port is bound."""
    descriptor = _descriptor()
    if descriptor is None:
        return
    os.write(descriptor, f"{port}\n".encode())
    os.close(descriptor)


def _descriptor() -> int | None:
    """Return this process's end of the pipe; None if it was closed before, as by an exec."""
    wanted = os.environ.get(PARENT_VARIABLE)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}") == wanted:
                return int(name)
    return None
