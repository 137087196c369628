"""Finds the prompt and the workflow in a file that ComfyUI made, by the format of the file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import BinaryIO

from mcp_background_job.comfyui.workflows.metadata import exif, flac, matroska, mp4, png

Reader = Callable[[BinaryIO], Iterable[tuple[str, str]]]

#: The reader for each format, by a mark at an offset of the file.
_READERS: tuple[tuple[int, bytes, Reader], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", png.texts),
    (8, b"WEBP", exif.texts_of_webp),
    (0, b"\xff\xd8\xff", exif.texts_of_jpeg),
    (4, b"ftyp", mp4.texts),
    (0, b"\x1a\x45\xdf\xa3", matroska.texts),
    (0, b"fLaC", flac.texts),
)

_MAGIC = 16
_KEYS = ("prompt", "workflow")


def embedded(file: BinaryIO) -> dict[str, str] | None:
    """Return the texts ``prompt`` and ``workflow`` in a file, if it has them; ``None`` if the format is not known.

    A file that is cut off or malformed has none.
    """
    magic = file.read(_MAGIC)
    reader = next((read for at, mark, read in _READERS if magic[at : at + len(mark)] == mark), None)
    if reader is None:
        return None
    file.seek(0)
    found: dict[str, str] = {}
    try:
        for key, text in reader(file):
            if key.lower() in _KEYS:
                found.setdefault(key.lower(), text)
            if len(found) == len(_KEYS):
                break
    except (struct.error, ValueError, IndexError):  # the texts that were read before count
        pass
    return found
