"""Output in answers: the newest in few characters, and pages within their limit."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_background_job.jobs import output
from tests.places.memory import MemoryJob, MemoryStore


def log(data: bytes) -> MemoryStore:
    store = MemoryStore()
    store.jobs["j"] = MemoryJob(log=data)
    return store


@given(
    data=st.binary(max_size=300) | st.text("ab\x1b\r\n é日", max_size=300).map(str.encode),
    limit=st.integers(4, 100),
)
@example(data=b"\xc2\x80\x00", limit=4)
@example(data="\x9f日\x85".encode(), limit=5)
def test_a_raw_page_has_at_most_as_many_characters_as_asked_for_and_no_byte_twice(data: bytes, limit: int) -> None:
    store, cursor, shown = log(data), 0, ""
    while cursor < len(data):
        page = output.page(store, "j", cursor=cursor, max_bytes=limit, stream="both", raw=True, ended=True)
        assert len(page.text) <= limit
        assert page.next > cursor
        cursor, shown = page.next, shown + page.text
    assert shown == output.rendering.as_raw_text(data)


@pytest.mark.parametrize(
    ("data", "since", "text"),
    [
        (b"", 0, ""),
        (b"one\ntwo\n", 0, "one\ntwo"),
        (b"one\ntwo\n", 4, "two"),
        (b"one\ntwo\n", 8, ""),
        (b"10%\r20%\r30%", 4, "30%"),
        (b"one\n\xe6\x97", 0, "one"),
        (b"one\n\x1b[3", 4, ""),
    ],
)
def test_the_newest_output_is_all_of_it_if_it_is_little(data: bytes, since: int, text: str) -> None:
    assert output.newest(log(data), "j", since=since).text == text


@pytest.mark.parametrize("data", [b"x" * 100_000, b"line\n" * 9000 + b"x" * 100_000, "日本\n".encode() * 9000])
def test_of_much_output_the_end_is_shown_with_the_way_to_the_rest(data: bytes) -> None:
    newest = output.newest(log(data), "j", since=7, budget=200)
    assert len(newest.text) <= 200
    note, rest = newest.text.split("\n", 1)
    assert note.startswith("[before this ")
    assert note.endswith("get_job_output from cursor 7]")
    assert rest.startswith(("日本 (x4681)", "…xxx"))
    assert newest.next == len(data)
    assert output.newest(log(data), "j", since=newest.next).text == ""
