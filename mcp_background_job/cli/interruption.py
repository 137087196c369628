"""What Ctrl-C does to a command: an exception while it works; before and after that, the end of the process.

Python's own handler raises its exception wherever Ctrl-C strikes. While modules are loaded, libraries and Python itself
make another of it, with a traceback; at the end, when threads are waited for, Python writes one too.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator

#: The exit code of a program that Ctrl-C has ended, as shells have it.
_INTERRUPTED = 128 + signal.SIGINT


def end_at_once() -> None:
    """Have Ctrl-C end this process, without a word; what ignores Ctrl-C goes on to do so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextlib.contextmanager
def raised() -> Generator[None]:
    """Have a Ctrl-C that would end this process at once raise ``KeyboardInterrupt`` meanwhile."""
    if signal.getsignal(signal.SIGINT) is not _end:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: object) -> None:
    os._exit(_INTERRUPTED)
