"""Files that come with a message: kept in the run's temporary directory, where the agent finds them by their paths."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mcp_background_job.agents.adapters.base import Attachment
from mcp_background_job.jobdir.records import write

#: Characters of a name that are kept; characters that could mean something to a shell are replaced.
_NAME = 100
_STRANGE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class File:
    """A file in a message.

    Attributes:
        content: its bytes.
        name: the caller's name for it, or empty.
        mime_type: its type, or empty.
    """

    content: bytes
    name: str = ""
    mime_type: str = ""


def placed(folder: str, files: Sequence[File], *, first: int = 1) -> list[Attachment]:
    """Return where files are to be kept; no name leads out of the folder, and no two are the same."""
    return [
        Attachment(os.path.join(folder, f"{number}-{_safe(file.name)}"), file.name, file.mime_type)
        for number, file in enumerate(files, start=first)
    ]


def keep(places: Sequence[Attachment], files: Sequence[File]) -> None:
    """Write files to their places.

    Raises:
        OSError: a file cannot be written.
    """
    for place, file in zip(places, files, strict=True):
        write(place.path, file.content)


def with_paths(text: str, places: Sequence[Attachment]) -> str:
    """Return a text that names the files that come with it."""
    return "\n\n".join(filter(None, (text, *map(_line, places))))


def _line(place: Attachment) -> str:
    about = ", ".join(filter(None, (place.name, place.mime_type)))
    return f"File: {place.path}" + (f" ({about})" if about else "")


def _safe(name: str) -> str:
    return _STRANGE.sub("_", os.path.basename(name))[-_NAME:] or "file"
