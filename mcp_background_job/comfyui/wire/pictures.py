"""Recognises what a browser shows as a picture, a video or a sound, by its first bytes. Pure.

Never by its name, nor by what a server says of it: what a node wrote under the name of a picture may be a page with a
script in it.
"""

from __future__ import annotations

#: So many first bytes tell a form.
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

#: Brands of the container that films and sounds share; others are shown as films.
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"M4A ": "audio/mp4"}


def form_of(data: bytes | bytearray | memoryview) -> str | None:
    """Return the media type of what begins with these bytes; ``None`` for what is not a picture, video or sound."""
    head = bytes(data[:ENOUGH])
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    return next((form for beginning, form in _BEGINNINGS.items() if head.startswith(beginning)), None)


def is_picture(form: str | None) -> bool:
    """Tell whether a form is that of a picture."""
    return form is not None and form.startswith("image/")
