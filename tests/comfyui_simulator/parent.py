"""The tie to a test that started this process: it is told when the port is bound, and takes us with it.

A restarted simulator inherits the variable but not the pipe, and is then on its own.
"""

import contextlib
import ctypes
import os
import signal

from tests.patience import scaled

#: What the kernel calls the pipe to write the port to, as ``pipe:[4711]``.
PARENT_VARIABLE = "SIMULATOR_PARENT"

#: Every simulator ends by itself after this time, also with the interpreter's lock held. No nightly test takes longer.
LIFE_S = scaled(3600.0)

_PR_SET_PDEATHSIG = 1


def limit_life() -> None:
    """Let the kernel end this process, since no Python code may be able to."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, LIFE_S)


def tie() -> None:
    """Die with the test, even when stopped."""
    if _descriptor() is not None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def announce(port: int) -> None:
    """Say that the port is bound."""
    descriptor = _descriptor()
    if descriptor is None:
        return
    os.write(descriptor, f"{port}\n".encode())
    os.close(descriptor)


def _descriptor() -> int | None:
    """Return our end of the pipe: none when it was closed before, as by this process before an exec."""
    wanted = os.environ.get(PARENT_VARIABLE)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}") == wanted:
                return int(name)
    return None
