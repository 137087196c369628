"""What happened to prompts, in a file that outlives the server: one line each, there before anybody hears of it.

    submitted ID    POST /prompt has taken it
    refused ID      POST /prompt has not
    began ID        its first node is about to run
    ended ID        its end is in the history
    deleted ID      it was taken out of the queue

A test adds the deaths of the server that it causes, as ``died -``.
"""

import os
from pathlib import Path


class Ledger:
    def __init__(self, path: Path | None) -> None:
        """Without a path nothing is written."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._descriptor = os.open(path, flags, 0o600) if path else None

    def note(self, event: str, prompt_id: str) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, f"{event} {prompt_id}\n".encode())
