"""The comments of a FLAC file."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from mcp_background_job.comfyui.workflows.metadata.limits import MAX_TEXT

_COMMENTS = 4
_LAST = 0x80


def texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Return the comments of a file."""
    file.seek(4)
    while len(head := file.read(4)) == 4:  # noqa: PLR2004  kind and length of a block
        kind, length = head[0], int.from_bytes(head[1:], "big")
        if kind & ~_LAST == _COMMENTS and length <= MAX_TEXT:
            yield from _comments(file.read(length))
            return
        if kind & _LAST:
            return
        file.seek(length, os.SEEK_CUR)


def _comments(data: bytes) -> Iterator[tuple[str, str]]:
    (vendor,) = struct.unpack_from("<I", data)
    (count,) = struct.unpack_from("<I", data, 4 + vendor)
    at = 8 + vendor
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, at)
        key, _, text = data[at + 4 : at + 4 + length].decode().partition("=")
        yield key, text
        at += 4 + length
