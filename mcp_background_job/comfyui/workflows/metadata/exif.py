"""The Exif of a WebP or JPEG: ComfyUI writes ``prompt:{…}`` and ``workflow:{…}`` into tags meant for cameras."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from mcp_background_job.comfyui.workflows.metadata.limits import MAX_TEXT

_EXIF = b"Exif\0\0"
_ASCII = 2

#: Markers of a JPEG: the segment with the Exif, and the start of the image.
_APP1, _START_OF_SCAN = 0xE1, 0xDA


def texts_of_webp(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Return the texts of a WebP."""
    file.seek(12)
    while len(head := file.read(8)) == 8:  # noqa: PLR2004  kind and length of a chunk
        kind, length = struct.unpack("<4sI", head)
        if kind == b"EXIF" and length <= MAX_TEXT:
            yield from _texts(file.read(length))
            return
        file.seek(length + length % 2, os.SEEK_CUR)


def texts_of_jpeg(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Return the texts of a JPEG."""
    file.seek(2)
    while len(head := file.read(4)) == 4:  # noqa: PLR2004  marker and length of a segment
        marker, length = struct.unpack(">xBH", head)
        if marker == _START_OF_SCAN:
            return
        data = file.read(length - 2)
        if marker == _APP1 and data.startswith(_EXIF):
            yield from _texts(data)
            return


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    data = data.removeprefix(_EXIF)
    order = "<" if data[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    for at in range(first + 2, first + 2 + 12 * count, 12):
        _tag, kind, length, offset = struct.unpack_from(order + "HHII", data, at)
        if kind == _ASCII and length > 4:  # noqa: PLR2004  shorter texts stand in place of the offset
            key, _, text = data[offset : offset + length].rstrip(b"\0").decode().partition(":")
            yield key, text
