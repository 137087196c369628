"""Files that were uploaded to ComfyUI servers, in the journal's database."""

from __future__ import annotations

from typing import Any

from mcp_background_job.core.comfyui.upload import Upload
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.text import storable


class SqliteUploads:
    """The uploads to all servers. Any thread may use it if any may use the database."""

    def __init__(self, database: Database) -> None:
        """Takes a database of the journal's kind."""
        self._database = database

    def record(self, upload: Upload) -> None:
        """Record an upload; it replaces an earlier one of the same content for the same purpose.

        Raises:
            RegistryError: the database cannot be used; this holds for all methods.
        """
        with self._database.writing() as write:
            write("record_upload", [_stored(vars(upload))])

    def get(self, server: str, sha256: str, *, purpose: str, subfolder: str) -> Upload | None:
        """Return the last upload of this content."""
        values = {"server": server, "sha256": sha256, "purpose": purpose, "subfolder": subfolder}
        rows = self._database.rows("upload", **_stored(values))
        return next((Upload(**dict(row)) for row in rows), None)


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
