"""Files that were downloaded from ComfyUI servers, in the journal's database."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from mcp_background_job.core.comfyui.download import Download
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.text import storable


class SqliteDownloads:
    """The downloads of each prompt. Any thread may use it if any may use the database."""

    def __init__(self, database: Database) -> None:
        """Takes a database of the journal's kind."""
        self._database = database

    def record(self, download: Download) -> None:
        """Record a download; it replaces an earlier one of the same file of the same prompt.

        Raises:
            RegistryError: the database cannot be used; this holds for all methods.
        """
        names = _stored(download.prompt_id, download.type, download.subfolder, download.filename)
        # A path is bytes, which need not be text.
        row = {**vars(download), **names, "path": os.fsencode(download.path)}
        with self._database.writing() as write:
            write("record_download", [row])

    def get(self, prompt_id: str, type: str, subfolder: str, filename: str) -> Download | None:  # noqa: A002  ComfyUI's
        """Return the last download of a file."""
        rows = self._database.rows("download", **_stored(prompt_id, type, subfolder, filename))
        return next(map(_download_of, rows), None)


def _download_of(row: sqlite3.Row) -> Download:
    values: dict[str, Any] = dict(row)
    path = os.fsdecode(values.pop("path"))
    return Download(path=path, **values)


def _stored(prompt_id: str, kind: str, subfolder: str, filename: str) -> dict[str, str]:
    names = {"prompt_id": prompt_id, "type": kind, "subfolder": subfolder, "filename": filename}
    return {name: storable(text) for name, text in names.items()}
