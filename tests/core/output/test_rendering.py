"""From bytes of a log to the text of an answer."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_background_job.core.output.rendering import Row, as_raw_text, fit, join, render, render_page
from mcp_background_job.core.output.screen import MAX_LINE
from tests.patience import PATIENCE_S


def text_of(data: bytes) -> str:
    return join(render(data, 0))


# -- lines -------------------------------------------------------------------------------------------------------------


def test_invalid_utf_8_becomes_the_replacement_character() -> None:
    assert text_of(b"a\xffb\xe2\x82\n") == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["same"] * 412, "same (x412)"),
        (["same"] * 3, "same (x3)"),
        (["same"] * 2, "same\nsame"),
        (["a", "b", "b", "b", "a"], "a\nb (x3)\na"),
        ([""] * 5, "(5 empty lines)"),
        (["", ""], "\n"),
        (["x", "", "", "", "y"], "x\n(3 empty lines)\ny"),
    ],
)
def test_runs_of_identical_lines_fold(lines: list[str], text: str) -> None:
    assert text_of("".join(f"{line}\n" for line in lines).encode()) == text


def test_a_folded_run_lies_where_its_first_line_does() -> None:
    assert render(b"a\nb\nb\nb\nc\n", 1000) == [Row("a", 1000), Row("b (x3)", 1002), Row("c", 1008)]


def test_each_line_of_a_short_run_lies_where_it_does() -> None:
    assert render(b"b\nb\n", 10) == [Row("b", 10), Row("b", 12)]


def test_a_line_of_the_limit_is_shown_whole() -> None:
    assert text_of(b"x" * MAX_LINE + b"\n") == "x" * MAX_LINE


def test_a_longer_line_is_clamped_with_the_count_of_what_is_missing() -> None:
    assert text_of(b"x" * (MAX_LINE + 1234) + b"\n") == "x" * MAX_LINE + "\u2026 (+1234 characters)"


def test_the_rest_of_a_progress_bar_does_not_show_as_blanks() -> None:
    assert text_of(b"a long status\rok           \n") == "ok"


def test_an_empty_log_has_no_lines() -> None:
    assert render(b"", 0) == []


@pytest.mark.parametrize(
    "data", [b"\xc2\x9b31mx", b"\xc2\x90x", b"\xc2\x9d0;t", b"a\xc2\x85b", bytes(range(32)), b"\x7f"]
)
def test_no_control_character_gets_from_a_log_into_an_answer(data: bytes) -> None:
    # Of the controls U+0080 to U+009F a terminal obeys as many as of those below a space.
    text = text_of(data)

    assert [char for char in text if unicodedata.category(char) == "Cc" and char not in "\n\t"] == []


def test_four_megabytes_in_a_million_colours_become_one_clamped_line() -> None:
    data = b"\x1b[31mx" * (4 * 1024 * 1024 // 6)
    [row] = render(data, 0)

    assert len(row.text) < MAX_LINE + 50
    assert row.text.endswith(f"(+{len(data) // 6 - MAX_LINE} characters)")


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x1b]" * 200_000,
        b"\x1b[" * 200_000,
        b"\x1b[" + b"0" * 400_000,
        b"\x1b[" + b"0;" * 2000,
        b"\x1b]" + b"0" * 400_000,
        b"\b" * 400_000,
        b"\x1b[K" * 100_000,
        b"x\r" * 200_000,
        b"\x1b[A\x1b[B" * 50_000,
    ],
    ids=lambda data: repr(data[:4]),
)
def test_output_made_to_be_slow_is_rendered_all_the_same(hostile: bytes) -> None:
    assert len(text_of(hostile)) <= len(hostile)
    assert text_of(hostile + b"\nlast line\n").endswith("last line")


_PEAK = """
from mcp_background_job.core.output.rendering import render

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024

data = {data}
before = peak()
render(data, 0)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a program's own peak of memory")
@pytest.mark.parametrize("data", [r'b"x" * 2**20', r'b"\x1b[31mx" * 175_000', r'b"\n" * 2**20', r'b"y\n" * 2**19'])
def test_a_megabyte_of_log_is_rendered_in_a_few_tens_of_megabytes(data: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PEAK.format(data=data)], check=True, capture_output=True, text=True, timeout=PATIENCE_S
    )

    assert int(done.stdout) < 64 * 1024 * 1024


# -- budget ------------------------------------------------------------------------------------------------------------

ROWS = st.lists(st.text(alphabet="ab", max_size=30), max_size=40).map(
    lambda texts: [Row(text, offset * 100) for offset, text in enumerate(texts)]
)


def length(rows: list[Row]) -> int:
    return sum(len(row.text) + 1 for row in rows)


@given(rows=ROWS, budget=st.integers(min_value=0, max_value=600), tail_share=st.sampled_from([0.0, 0.5, 0.8, 1.0]))
def test_what_fits_is_kept_and_what_is_cut_is_counted(rows: list[Row], budget: int, tail_share: float) -> None:
    head, tail, cut = fit(rows, budget, tail_share=tail_share)

    if length(rows) <= budget:
        assert (head, tail, cut) == (rows, [], None)
        return
    assert cut is not None
    left_out = rows[len(head) : len(rows) - len(tail)]
    assert [*head, *left_out, *tail] == rows
    assert length(head) + length(tail) <= budget
    assert cut.lines == len(left_out) > 0
    assert cut.characters == length(left_out)
    assert cut.offset == left_out[0].offset


def test_the_end_of_a_failed_job_gets_the_larger_share() -> None:
    rows = [Row("0123456789"[:9], number) for number in range(100)]
    head, tail, _ = fit(rows, 80, tail_share=0.75)

    assert (len(head), len(tail)) == (2, 6)


# -- pages -------------------------------------------------------------------------------------------------------------

#: More than the longest sequence that is kept for later, so that every piece gets a reader further.
SMALLEST_PIECE = 300

LOG = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.text(max_size=8).map(str.encode),
        st.sampled_from([b"\n", b"line\n", b"same\n", b"\xe2\x82"]),
        st.sampled_from([b"\x1b[31m", b"\x1b[2K\r", b"\x1b", b"\x1b[", b"\x1b]0;", b"\x1b[A"]),
        st.integers(min_value=1, max_value=700).map(lambda count: b"x" * count),
    ),
    max_size=30,
).map(b"".join)  # fmt: skip


@given(
    data=LOG,
    piece=st.integers(min_value=SMALLEST_PIECE, max_value=900),
    budget=st.one_of(st.none(), st.integers(min_value=1, max_value=400)),
)
@example(data=b"\x1b[" * 1000, piece=SMALLEST_PIECE, budget=1)
@example(data=b"\xe2\x82" * 1000, piece=SMALLEST_PIECE, budget=None)
def test_walking_a_log_page_by_page_takes_every_byte_once_and_ends(data: bytes, piece: int, budget: int | None) -> None:
    cursor = 0
    pages = 0
    while cursor < len(data):
        chunk = data[cursor : cursor + piece]
        final = cursor + len(chunk) == len(data)
        page = render_page(chunk, cursor, budget=budget, final=final)
        assert 0 < page.consumed <= len(chunk)
        assert all(cursor <= row.offset <= cursor + page.consumed for row in page.rows)
        cursor += page.consumed
        pages += 1
    assert cursor == len(data)
    assert pages <= len(data) + 1


@given(
    lines=st.lists(st.text(alphabet="abc\u20ac\U0001f600", min_size=1, max_size=40), max_size=60),
    piece=st.integers(min_value=SMALLEST_PIECE, max_value=900),
    budget=st.integers(min_value=1, max_value=400),
)
def test_pages_of_whole_lines_put_together_are_the_log(lines: list[str], piece: int, budget: int) -> None:
    lines = [f"{number}:{line}" for number, line in enumerate(lines)]
    data = "".join(f"{line}\n" for line in lines).encode()
    cursor = 0
    seen: list[str] = []
    unfinished = ""
    while cursor < len(data):
        chunk = data[cursor : cursor + piece]
        page = render_page(chunk, cursor, budget=budget, final=cursor + len(chunk) == len(data))
        texts = [row.text for row in page.rows]
        cursor += page.consumed
        texts[0] = unfinished + texts[0]
        unfinished = "" if data[cursor - 1 : cursor] == b"\n" else texts.pop()
        seen += texts
    assert seen == lines


def test_a_page_ends_at_the_end_of_a_line_when_its_budget_is_used_up() -> None:
    page = render_page(b"one\ntwo\nthree\n", 0, budget=4, final=True)

    assert join(page.rows) == "one"
    assert page.consumed == 4


def test_a_page_of_a_live_log_leaves_a_cut_character_for_later() -> None:
    page = render_page("na\u00efve"[:3].encode()[:-1], 0, budget=None, final=False)

    assert join(page.rows) == "na"
    assert page.consumed == 2


def test_the_last_page_of_a_log_takes_a_cut_character_too() -> None:
    page = render_page(b"na\xc3", 0, budget=None, final=True)

    assert join(page.rows) == "na\ufffd"
    assert page.consumed == 3


# -- raw ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\n\ttext\n", "plain\n\ttext\n"),
        ("\u20ac \U0001f600".encode(), "\u20ac \U0001f600"),
        (b"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        (b"a\x00b\x07c\x08d\x0be\x0cf\x7fg", "a\\x00b\\x07c\\x08d\\x0be\\x0cf\\x7fg"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"cut \xe2\x82", "cut \\xe2\\x82"),
    ],
)
def test_raw_text_shows_bytes_that_are_no_text_as_escapes(data: bytes, text: str) -> None:
    assert as_raw_text(data) == text


@given(data=st.one_of(st.binary(max_size=100), st.text(max_size=50).map(str.encode)))
@example(data="\x9b31m\x90\x9d".encode())
def test_raw_text_holds_no_character_that_a_terminal_obeys(data: bytes) -> None:
    text = as_raw_text(data)

    assert [char for char in text if unicodedata.category(char) == "Cc" and char not in "\n\t\r"] == []
    text.encode()
