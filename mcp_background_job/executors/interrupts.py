"""Keeps Ctrl-C from ending a command between two steps of which neither may be done without the other.

In an event loop it becomes a cancellation, which such steps are shielded from and which waits for the loop's own
(``between_steps``). Without a loop it would strike anywhere (``held``).
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


@contextlib.contextmanager
def between_steps() -> Generator[None]:
    """Have a Ctrl-C cancel what runs in the event loop only between two steps of that loop, and a second one end it.

    The handler that ``asyncio.run`` has installed cancels wherever Ctrl-C strikes. If a future is given its result at
    that moment, this step of the loop fails, and asyncio logs "Exception in callback" with a trace of itself.
    """
    cancel = signal.getsignal(signal.SIGINT)
    if not callable(cancel) or threading.current_thread() is not threading.main_thread():
        yield  # nobody's Ctrl-C comes here: it is ignored, or ends the process
        return
    import asyncio  # noqa: PLC0415  see ``looping``

    loop = asyncio.get_running_loop()
    asked: list[asyncio.Handle] = []

    def interrupt(number: int, _frame: object) -> None:
        if asked:  # the loop does not come to it, as where a terminal takes no output
            asked[0].cancel()
            raise KeyboardInterrupt
        asked.append(loop.call_soon_threadsafe(cancel, number, None))

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, cancel)
