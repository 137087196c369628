"""Tells whole pictures, videos and models from those that end early, by their own marks of the end. Pure.

A server writes a file under its own name from the first byte on, and serves the present part with 200 (measured): while
it writes, and for ever if it was killed or its disk was full. So only the content tells. Files in other formats are
accepted as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

#: Returns so many bytes of a file from an offset on, or fewer at its end.
ReadAt = Callable[[int, int], bytes]

#: Some programs append their own data after the end of a picture.
_TAIL = 64 * 1024

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_SCAN = 0xDA  # the marker before the picture data
_GIFS, _GIF_END = (b"GIF87a", b"GIF89a"), b";"
_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"
_GLB = b"glTF"
_HEAD = 16

#: A video has a handful of boxes at its top level; fragmented ones have two for every few seconds.
_MOST_BOXES = 100_000
_BOX_HEADER = 8


def trouble_with(size: int, read: ReadAt) -> str:
    """Return why a file cannot be whole; empty if no sign says so."""
    if size == 0:
        return "it is empty"
    head = read(0, _HEAD)
    trouble = _ends_early(head, size, read)
    return f"it ends early, after {size:,} bytes: {trouble}" if trouble else ""


def _ends_early(head: bytes, size: int, read: ReadAt) -> str:
    for is_of_form, ends_early in _FORMS:
        if is_of_form(head):
            return ends_early(head, size, read)
    is_begun = size < len(_PNG) and any(form.startswith(head) for form in (_PNG, _JPEG, *_GIFS, b"RIFF", _EBML))
    return "only the first bytes of its form" if is_begun else ""


def _png(_head: bytes, size: int, read: ReadAt) -> str:
    return "" if _PNG_END in _tail(size, read) else "a PNG without its end (IEND)"


def _gif(_head: bytes, size: int, read: ReadAt) -> str:
    return "" if _tail(size, read).rstrip(b"\0").endswith(_GIF_END) else "a GIF without its end"


def _webp(head: bytes, size: int, _read: ReadAt) -> str:
    return _shorter_than(int.from_bytes(head[4:8], "little") + _BOX_HEADER, size, "a WebP")


def _glb(head: bytes, size: int, _read: ReadAt) -> str:
    return _shorter_than(int.from_bytes(head[8:12], "little"), size, "a model")


def _tail(size: int, read: ReadAt) -> bytes:
    return read(max(0, size - _TAIL), _TAIL)


def _shorter_than(length: int, size: int, what: str) -> str:
    return f"{what} of {length:,} bytes" if size < length else ""


def _jpeg(_head: bytes, size: int, read: ReadAt) -> str:
    """Look for the end marker after the head, which may contain a thumbnail with its own end marker."""
    at = 2
    while (header := read(at, 4))[:1] == b"\xff" and len(header) == 4:  # noqa: PLR2004  a marker and a length
        at += 2 + int.from_bytes(header[2:], "big")
        if header[1] == _JPEG_SCAN:
            begin = max(at, size - _TAIL)
            return "" if _JPEG_END in read(begin, _TAIL) else "a JPEG without its end marker"
    return "a JPEG without its picture"


def _mp4(_head: bytes, size: int, read: ReadAt) -> str:
    """Follow the boxes of an MP4 or MOV: each has its length, and one of them is the table of contents."""
    at, kinds = 0, set[bytes]()
    for _ in range(_MOST_BOXES):
        if at == size:
            break
        header = read(at, 2 * _BOX_HEADER)
        if len(header) < _BOX_HEADER:
            return "a video that breaks off between two parts"
        length, kind = struct.unpack(">I4s", header[:_BOX_HEADER])
        if length == 1:
            length = int.from_bytes(header[_BOX_HEADER:], "big")
        elif length == 0:  # to the end of the file
            length = size - at
        if length < _BOX_HEADER or at + length > size:
            return "a video that breaks off within a part"
        at += length
        kinds.add(kind)
    if not kinds & {b"moov", b"meta"}:  # pictures (AVIF, HEIC) have the other one
        return "a video without its table of contents"
    return "" if b"mdat" in kinds else "a video without its content"


def _webm(_head: bytes, size: int, read: ReadAt) -> str:
    """Follow the two elements of a WebM or MKV: a head, and the rest, whose length is written when it is complete."""
    _, at = _element(0, read)
    if read(at, 4) != _SEGMENT:
        return "a video without its content"
    length, end = _element(at, read)
    if length is None:
        return "a video whose length was never written"
    return _shorter_than(end, size, "a video")


def _element(at: int, read: ReadAt) -> tuple[int | None, int]:
    """Return the length of an EBML element's content, ``None`` if it is unknown, and where the content ends."""
    at += 4
    first = read(at, 8).ljust(8, b"\0")
    width = 8 - first[0].bit_length() + 1 if first[0] else 8
    value = int.from_bytes(first[:width], "big") & ((1 << 7 * width) - 1)
    if value == (1 << 7 * width) - 1:
        return None, at + width
    return value, at + width + value


_FORMS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, int, ReadAt], str]], ...] = (
    (lambda head: head.startswith(_PNG), _png),
    (lambda head: head.startswith(_JPEG), _jpeg),
    (lambda head: head.startswith(_GIFS), _gif),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", _webp),
    (lambda head: head.startswith(_GLB), _glb),
    (lambda head: head[4:8] == b"ftyp", _mp4),
    (lambda head: head.startswith(_EBML), _webm),
)
