"""The door to JSON: what comes out is UTF-8, and says the same."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.wire import MAX_DEPTH, plain, refusal, to_json, utf8

ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=20,
)


@given(ANY_VALUE)
def test_whatever_goes_in_comes_out_as_json_in_utf_8(value: object) -> None:
    written = to_json(value).encode()
    assert json.loads(written) == plain(value)


@given(st.binary())
def test_text_that_can_be_encoded_stays_and_other_bytes_are_made_visible(data: bytes) -> None:
    assert utf8(os.fsdecode(data)) == data.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\udce9", "caf\\xe9"),
        ("\ud83d", "\\ud83d"),
        ("\udc7f \udd00", "\\udc7f \\udd00"),
        ("\N{GRINNING FACE} \0", "\N{GRINNING FACE} \0"),
    ],
)
def test_what_is_no_text_is_made_visible(text: str, shown: str) -> None:
    assert utf8(text) == shown


def test_a_number_that_is_none_is_null() -> None:
    assert to_json({"a": [float("nan"), float("-inf"), 1.5]}) == '{"a":[null,null,1.5]}'


@given(ANY_VALUE)
def test_a_lone_surrogate_is_found_wherever_it_is(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert (refusal(value) is not None) == any("\ud800" <= character <= "\udfff" for character in text)


def _nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    return value


def test_what_is_nested_too_deeply_is_refused_however_deep_it_is() -> None:
    assert refusal(_nested(MAX_DEPTH - 1)) is None
    for depth in (MAX_DEPTH, MAX_DEPTH + 1, 100_000):
        assert "nested more than 100 levels deep" in (refusal(_nested(depth)) or "")
