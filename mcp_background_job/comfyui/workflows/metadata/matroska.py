"""The tags of a WebM or Matroska file."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from typing import BinaryIO

from mcp_background_job.comfyui.workflows.metadata.limits import MAX_TEXT

#: The name of a tag and the beginning of its text. The file is searched for it, since gigabytes may precede it.
_TAG = re.compile(rb"\x45\xa3[\x81-\xbf]((?i:prompt|workflow))\x44\x87")


def texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Return the tags of a file."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for tag in _TAG.finditer(data):
            length, at = _length(data, tag.end())
            if length <= MAX_TEXT:
                yield tag[1].decode(), data[at : at + length].rstrip(b"\0").decode()


def _length(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Read a variable-length number: its first byte's leading zeros give its width; returns it and where it ends."""
    width = 9 - data[at].bit_length()
    number = int.from_bytes(data[at : at + width], "big")
    return number & ((1 << 7 * width) - 1), at + width
