"""The prompt and the workflow are found in what ComfyUI made, and nothing odd in a file does any harm."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.workflows.metadata.embedded import embedded
from tests.comfyui.workflows import made_files

TEXTS = {"prompt": json.dumps({"1": {"class_type": "A"}}), "workflow": json.dumps({"nodes": [], "extra": "é" * 9})}

KINDS: dict[str, Callable[[Mapping[str, str]], bytes]] = {
    "png": made_files.png,
    "png, compressed": partial(made_files.png, kind=b"zTXt"),
    "png, international": partial(made_files.png, kind=b"iTXt"),
    "png, animated": partial(made_files.png, kind=b"comf"),
    "webp": made_files.webp,
    "jpeg": made_files.jpeg,
    "mp4": made_files.mp4,
    "mov": partial(made_files.mp4, is_mov=True),
    "webm": made_files.webm,
    "flac": made_files.flac,
}


def _embedded(content: bytes) -> dict[str, str] | None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return embedded(file)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_found_in(kind: str) -> None:
    assert _embedded(KINDS[kind](TEXTS | {"other": "x"})) == TEXTS


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_them_has_none(kind: str) -> None:
    assert _embedded(KINDS[kind]({"other": "thing"})) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_file_that_is_cut_off_what_is_whole_is_found(kind: str) -> None:
    content = KINDS[kind](TEXTS)
    for end in range(16, len(content), 7):
        found = _embedded(content[:end])
        assert found is not None
        assert set(found) <= set(TEXTS)


def test_another_kind_of_file_is_told_apart() -> None:
    assert _embedded(b'{"nodes": []}') is None


@given(st.sampled_from(sorted(KINDS)), st.integers(16), st.binary(min_size=1, max_size=9))
def test_a_file_with_anything_in_it_does_no_harm(kind: str, at: int, junk: bytes) -> None:
    content = KINDS[kind](TEXTS)
    at = 16 + at % (len(content) - 16)
    assert _embedded(content[:at] + junk + content[at + len(junk) :]) is not None
