"""The changes in clients' files, kept in the state directory, so that they can be undone exactly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.install import files
from mcp_background_job.install.edits import Edit

_FOLDER = "installed"


@dataclass(frozen=True)
class Record:
    """The history of a file.

    Attributes:
        path: path of the file.
        created: whether the installation created it.
        edits: the changes, in order.
        folders: the folders that the installation created for it, the outermost first.
    """

    path: Path
    created: bool
    edits: tuple[Edit, ...] = ()
    folders: tuple[Path, ...] = ()

    def with_edit(self, edit: Edit) -> Record:
        """Return the record with a further change."""
        return replace(self, edits=(*self.edits, edit))

    def undone(self, text: str, marks: Sequence[str]) -> str | None:
        """Return the text as it was before all changes; None if they cannot all be found in it."""
        undone: str | None = text
        for edit in reversed(self.edits):
            undone = None if undone is None else edit.undone(undone, marks)
        return undone


class Records:
    """The records of a state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / _FOLDER

    def get(self, path: Path) -> Record | None:
        """Return the record of a file, None if there is none.

        Raises:
            InvalidRequestError: the record cannot be read.
        """
        text = files.read(self._file(path))
        if text is None:
            return None
        try:
            known: dict[str, Any] = json.loads(text)
            folders = tuple(map(Path, known.get("folders", ())))  # release 1.0.0 recorded none
            return Record(path, known["created"], tuple(Edit(**edit) for edit in known["edits"]), folders)
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequestError(
                f"{self._file(path)} should say what was changed in {path}, and cannot be parsed: remove it; uninstall "
                "then takes out the entry and the hook, and leaves the rest of the file as it is"
            ) from error

    def put(self, record: Record) -> None:
        """Record the changes of a file.

        Raises:
            InvalidRequestError: the record cannot be written.
        """
        try:
            for folder in (self._folder.parent, self._folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidRequestError(f"the state directory {self._folder} cannot be made: {error.strerror}") from error
        known = {
            "version": 1,
            "path": str(record.path),
            "created": record.created,
            "folders": [*map(str, record.folders)],
            "edits": [{"start": edit.start, "old": edit.old, "new": edit.new} for edit in record.edits],
        }
        file = self._file(record.path)
        files.write(file, files.read(file), json.dumps(known))

    def forget(self, path: Path) -> None:
        """Drop the record of a file."""
        self._file(path).unlink(missing_ok=True)

    def _file(self, path: Path) -> Path:
        return self._folder / f"{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.json"
