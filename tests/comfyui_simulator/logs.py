"""The server's log: it goes to stderr, and into a ring that /internal/logs shows."""

import logging
import os
import sys
import threading
from collections import deque
from datetime import datetime

RING_SIZE = 300
log = logging.getLogger("comfyui")
_COLOURS = {"INFO": "\x1b[32m", "WARNING": "\x1b[33m", "ERROR": "\x1b[1m\x1b[31m"}


class LogRing:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.entries: deque[dict[str, str]] = deque(maxlen=RING_SIZE)

    def write(self, text: str) -> None:
        with self._lock:
            # A progress bar replaces its last state; otherwise the ring would soon hold nothing else.
            if text.startswith("\r") and self.entries and not self.entries[-1]["m"].endswith("\n"):
                self.entries.pop()
            self.entries.append({"t": datetime.now().isoformat(), "m": text})  # noqa: DTZ005  local, as in ComfyUI
            os.write(sys.stderr.fileno(), text.encode())

    def flush(self) -> None:
        """Do nothing, since nothing is kept back."""

    def text(self) -> str:
        return "".join(f"{entry['t']} - {entry['m']}" for entry in self.entries)


class _ColouredLevel(logging.Formatter):
    """The new generation's prefix, in colours even if the output is a pipe."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{_COLOURS.get(record.levelname, '')}[{record.levelname}]\x1b[0m {super().format(record)}"


def set_up(*, new: bool) -> LogRing:
    ring = LogRing()
    handler = logging.StreamHandler(ring)
    handler.setFormatter(_ColouredLevel() if new else logging.Formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    return ring
