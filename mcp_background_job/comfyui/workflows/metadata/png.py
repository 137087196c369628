"""The text chunks of a PNG; those of an animated one are called ``comf``."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from mcp_background_job.comfyui.workflows.metadata.limits import MAX_TEXT

_SIGNATURE, _CHECKSUM = 8, 4


def texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Return the texts of a file, by their keywords, in the order of the file."""
    file.seek(_SIGNATURE)
    while len(head := file.read(8)) == 8:  # noqa: PLR2004  length and kind of a chunk
        length, kind = struct.unpack(">I4s", head)
        if kind in (b"tEXt", b"comf", b"zTXt", b"iTXt") and length <= MAX_TEXT:
            keyword, _, data = file.read(length).partition(b"\0")
            yield keyword.decode("latin-1"), _text(kind, data)
            file.seek(_CHECKSUM, os.SEEK_CUR)
        else:
            file.seek(length + _CHECKSUM, os.SEEK_CUR)


def _text(kind: bytes, data: bytes) -> str:
    if kind == b"zTXt":
        return _inflated(data[1:]).decode("latin-1")
    if kind == b"iTXt":
        is_compressed, data = data[:1] == b"\1", data[2:]
        _language, _, data = data.partition(b"\0")
        _keyword, _, data = data.partition(b"\0")
        return (_inflated(data) if is_compressed else data).decode()
    return data.decode("utf-8" if kind == b"comf" else "latin-1")


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_TEXT)  # a few bytes may expand to gigabytes
    except zlib.error as error:
        raise ValueError("a text that is not compressed as it says") from error
