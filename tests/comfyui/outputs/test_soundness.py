"""A file that is whole passes, and every shorter one of it is found out."""

from __future__ import annotations

import struct
import zlib

import pytest

from mcp_background_job.comfyui.outputs.soundness import trouble_with
from tests.comfyui_simulator import png


def trouble(content: bytes) -> str:
    return trouble_with(len(content), lambda offset, count: content[offset : offset + count])


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def element(name: bytes, content: bytes) -> bytes:
    return name + (1 << 28 | len(content)).to_bytes(4, "big") + content


FTYP = box(b"ftyp", b"isom\0\0\0\1")
EBML = element(b"\x1aE\xdf\xa3", b"\x42\x82\x84webm")

#: With a small picture in its head, which has an end of its own.
JPEG = (
    b"\xff\xd8\xff\xe1" + struct.pack(">H", 2 + 10) + b"Exif\xff\xd8..\xff\xd9"
    b"\xff\xda" + struct.pack(">H", 4) + b"\0\0" + b"picture" * 20 + b"\xff\xd9"
)  # fmt: skip
WHOLE = {
    "png": png.picture("a picture"),
    "jpeg": JPEG,
    "gif": b"GIF89a" + b"\1" * 30 + b"\0;",
    "webp": b"RIFF" + struct.pack("<I", 24) + b"WEBPVP8L" + b"\1" * 16,
    "mp4": FTYP + box(b"free") + box(b"mdat", b"film" * 30) + box(b"moov", b"contents"),
    "mp4 with a table in front": FTYP + box(b"moov", b"contents") + box(b"mdat", b"film" * 30),
    "webm": EBML + element(b"\x18S\x80g", b"cluster" * 30),
    "glb": b"glTF" + struct.pack("<II", 2, 44) + b"\2" * 32,
}


@pytest.mark.requirement("comfyui.download.sound")
@pytest.mark.parametrize("form", WHOLE)
def test_what_is_whole_passes_and_every_shorter_part_of_it_is_said(form: str) -> None:
    whole = WHOLE[form]
    assert not trouble(whole)
    passed = [length for length in range(len(whole)) if not trouble(whole[:length])]
    # Of the very first bytes nobody can tell what they were to become.
    assert all(length < 16 for length in passed), passed


@pytest.mark.parametrize(
    "content",
    [
        WHOLE["png"] + b"behind the end" * 100,
        JPEG + b"\0" * 500,
        WHOLE["gif"] + b"\0",
        FTYP + struct.pack(">I4sQ", 1, b"mdat", 16 + 8) + b"8 bytes." + box(b"moov"),
        FTYP + box(b"moov") + box(b"moof") + struct.pack(">I4s", 0, b"mdat") + b"to the end",
        box(b"ftyp", b"avif") + box(b"meta") + box(b"mdat"),
        b"a text",
        b"{}",
        b"\0" * 40,
        zlib.compress(b"anything"),
    ],
)
def test_what_is_whole_or_of_no_form_that_tells_passes(content: bytes) -> None:
    assert not trouble(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (FTYP + box(b"mdat", b"film"), "without its table of contents"),
        (FTYP + box(b"moov") + struct.pack(">I4s", 4, b"mdat"), "breaks off within a part"),
        (EBML + b"\x18S\x80g\x01" + b"\xff" * 7 + b"cluster", "whose length was never written"),
        (EBML, "without its content"),
        (b"\xff\xd8\xff\xe0\0\x04..", "a JPEG without its picture"),
        (b"GIF8", "only the first bytes of its form"),
    ],
)
def test_what_ends_early_is_said_in_words(content: bytes, reason: str) -> None:
    assert reason in trouble(content)
