"""Remembers how a server was run, so that it can be run again after its process has ended."""

from __future__ import annotations

from pathlib import Path

from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import records
from mcp_background_job.processes.portrait import Portrait


class ServerRecords:
    """Portraits of server processes, in files that only their owner can read: an environment may hold secrets."""

    def __init__(self, directory: Path) -> None:
        """Takes the directory; creates nothing."""
        self._directory = directory

    def save(self, port: int, portrait: Portrait) -> Path:
        """Record how the server on a port is run; returns the file's path."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._path(port)
        records.write(str(path), portrait.to_json().encode(), durable=True)
        return path

    def load(self, port: int) -> Portrait | None:
        """Return how the last server on a port was run; ``None`` if that is unknown."""
        try:
            return Portrait.from_json(self._path(port).read_text())
        except (OSError, CorruptRecordError):  # there is none, or it is unreadable
            return None

    def _path(self, port: int) -> Path:
        return self._directory / f"process-{port}.json"
