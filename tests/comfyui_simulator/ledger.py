"""A log of the prompts' events, in a file that outlives the server. Each line is there before any client hears of it.

    submitted ID    POST /prompt has accepted it
    refused ID      POST /prompt has refused it
    began ID        it has left the queue and runs
    ended ID        its end is in the history
    deleted ID      it was deleted from the queue

If a test kills the server, the test adds the line ``died -``.
"""

import os
from pathlib import Path


class Ledger:
    def __init__(self, path: Path | None) -> None:
        """Open the file to append to; without a path, nothing is written."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._descriptor = os.open(path, flags, 0o600) if path else None

    def note(self, event: str, prompt_id: str) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, f"{event} {prompt_id}\n".encode())
