"""Recognises pictures, videos and sounds that a browser can show, by their first bytes. Pure.

The name and the server's word do not count: a node may have written a page with a script under the name of a picture.
"""

from __future__ import annotations

#: The number of first bytes that identify a format.
ENOUGH = 32

_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"\x1aE\xdf\xa3": "video/webm",
    b"fLaC": "audio/flac",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
}
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}

#: Brands of the container that videos and sounds share; other brands are shown as videos.
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"M4A ": "audio/mp4"}


def form_of(data: bytes | bytearray | memoryview) -> str | None:
    """Return the media type of data that begins with these bytes; ``None`` if it is no picture, video or sound."""
    head = bytes(data[:ENOUGH])
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    return next((form for beginning, form in _BEGINNINGS.items() if head.startswith(beginning)), None)


def is_picture(form: str | None) -> bool:
    """Tell whether a media type is that of a picture."""
    return form is not None and form.startswith("image/")
