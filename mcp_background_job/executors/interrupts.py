"""Keeps Ctrl-C from ending a command between two steps of which neither may be done without the other.

In an event loop it becomes a cancellation, which such steps are shielded from; without one it would strike anywhere.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator


@contextlib.contextmanager
def held() -> Generator[None]:
    """Have a Ctrl-C that comes meanwhile take effect at the end."""
    if threading.current_thread() is not threading.main_thread():  # only that one is interrupted
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
