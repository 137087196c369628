"""The tags of an MP4 or MOV: ``keys`` has their names, and ``ilst`` their values."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from mcp_background_job.comfyui.workflows.metadata.limits import MAX_TEXT

#: The containers of the tags, each within the one before.
_CONTAINERS = (b"moov", b"udta", b"meta")

#: The length that means that the real one follows the kind, in 64 bits.
_LONG = 1

#: Bytes of the type and the language of a value, before its text.
_VALUE_HEAD = 8


def texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Return the tags of a file."""
    end = file.seek(0, os.SEEK_END)
    keys: list[str] = []
    for kind, start, stop in _boxes(file, 0, end):
        if stop - start > MAX_TEXT:
            continue
        file.seek(start)
        if kind == b"keys":
            keys = _keys(file.read(stop - start))
        elif kind == b"ilst":
            yield from _values(file, start, stop, keys)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes in a range, and those in the containers of tags, each with the range of its content."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == _LONG:
            (size,), head = struct.unpack(">Q", file.read(8)), 16
        stop = at + size if size else end
        if stop < at + head or stop > end:
            return
        if kind in _CONTAINERS:
            # In MP4, unlike MOV, this one has a version first.
            file.seek(at + head)
            is_versioned = kind == b"meta" and file.read(8)[4:] != b"hdlr"
            yield from _boxes(file, at + head + 4 * is_versioned, stop)
        else:
            yield kind, at + head, stop
        at = stop


def _keys(data: bytes) -> list[str]:
    (count,) = struct.unpack_from(">I", data, 4)
    keys, at = list[str](), 8
    for _ in range(min(count, len(data))):
        (size,) = struct.unpack_from(">I", data, at)
        keys.append(data[at + 8 : at + size].decode())
        at += size
    return keys


def _values(file: BinaryIO, start: int, stop: int, keys: list[str]) -> Iterator[tuple[str, str]]:
    for number, inner, end in _boxes(file, start, stop):
        (index,) = struct.unpack(">I", number)
        for kind, at, until in _boxes(file, inner, end):
            if kind == b"data" and 1 <= index <= len(keys):
                file.seek(at + _VALUE_HEAD)
                yield keys[index - 1], file.read(until - at - _VALUE_HEAD).decode()
