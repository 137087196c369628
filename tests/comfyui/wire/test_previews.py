"""Pictures of what a node is at: from frames as ComfyUI packs them, and from frames that no server sends."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.wire.pictures import form_of
from mcp_background_job.comfyui.wire.previews import MAX_SIZE, preview_of

JPEG = b"\xff\xd8\xff\xe0" + b"jpeg"
PNG = b"\x89PNG\r\n\x1a\n" + b"png"


def _plain(picture: bytes, form: int = 1) -> bytes:
    return struct.pack(">II", 1, form) + picture


def _named(picture: bytes, facts: object) -> bytes:
    content = json.dumps(facts).encode()
    return struct.pack(">II", 4, len(content)) + content + picture


def test_a_picture_without_names_has_the_form_that_it_begins_with() -> None:
    preview = preview_of(_plain(PNG, form=1))  # the server says JPEG
    assert preview
    assert (preview.data, preview.form, preview.prompt_id, preview.node_id) == (PNG, "image/png", "", "")


def test_a_picture_with_names_says_of_which_prompt_and_node_it_is() -> None:
    preview = preview_of(_named(JPEG, {"prompt_id": "p", "node_id": "57:3", "image_type": "image/png"}))
    assert preview
    assert (preview.data, preview.form, preview.prompt_id, preview.node_id) == (JPEG, "image/jpeg", "p", "57:3")


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(struct.pack(">I", 3) + b"\0\0\0\x011text", id="a text"),
        pytest.param(_plain(b"<svg onload=alert(1)>"), id="a drawing with a script"),
        pytest.param(_plain(b"\0\0\0\x07" + JPEG), id="more before the picture, as other people's nodes have it"),
        pytest.param(_plain(JPEG + bytes(MAX_SIZE)), id="too large"),
        pytest.param(struct.pack(">II", 4, 2**32 - 1) + JPEG, id="a length that is a lie"),
        pytest.param(_plain(b"\0\0\0\x18ftypmp42"), id="a film"),
    ],
)
def test_what_is_no_picture_is_left_alone(message: bytes) -> None:
    assert preview_of(message) is None


@pytest.mark.parametrize("facts", [[], "x", None, {"prompt_id": None, "node_id": 7}])
def test_odd_names_keep_no_picture_back(facts: object) -> None:
    preview = preview_of(_named(PNG, facts))
    assert preview
    assert preview.prompt_id == ""


@given(st.binary(max_size=64), st.sampled_from([1, 4]))
def test_no_frame_breaks_the_reader(rest: bytes, kind: int) -> None:
    preview_of(struct.pack(">I", kind) + rest)


@pytest.mark.parametrize(
    ("begin", "form"),
    [
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"RIFF\0\0\0\0AVI LIST", None),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\0\0\0\x20ftypavif", "image/avif"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"<!doctype html><script>", None),
        (b'<?xml version="1.0"?><svg', None),
        (b"", None),
    ],
)
def test_a_form_is_told_by_the_first_bytes(begin: bytes, form: str | None) -> None:
    assert form_of(begin) == form
