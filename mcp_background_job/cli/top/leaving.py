"""How ``top`` ends when it is not left by a key: by a signal, or since its terminal is gone.

There is nothing to tidy up that must not be left behind anyway: jobs do not belong to who looks at them.
"""

from __future__ import annotations

import asyncio
import select
import signal
import sys
import threading
from collections.abc import Callable


def end_with_terminal(leave: Callable[[], None]) -> None:
    """Leave in order when that is asked for (SIGTERM), and end at once when the terminal is gone.

    A terminal that goes away sends SIGHUP to the process whose terminal it is. Where it is not, or somebody had SIGHUP
    ignored, only the descriptor tells: the library would draw on for ever.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    threading.Thread(target=_end_when_gone, name="hang-up", daemon=True).start()


def _end_when_gone() -> None:
    poller = select.poll()
    poller.register(sys.__stdin__.fileno() if sys.__stdin__ else 0, 0)  # its end alone
    poller.poll()
    signal.raise_signal(signal.SIGHUP)
