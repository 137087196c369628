"""What a terminal would show: redraws, movements, erasing, and sequences cut in two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.output.screen import MAX_LINE, Screen, incomplete_tail, plain_lines


def shown(text: str) -> list[str]:
    """The lines that a text leaves on the screen, fed line by line as a log is."""
    screen = Screen()
    for line in text.splitlines(keepends=True) if "\r" not in text else _lines(text):
        screen.feed(line, 0)
    return [line.text.rstrip() for line in screen.lines()]


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # plain text
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\nb", ["a", "b"]),
        ("\n\n", ["", ""]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\tb\n", ["a\tb"]),
        # carriage return and backspace
        ("10%\r20%\r100%\n", ["100%"]),
        ("long text\rab\n", ["abng text"]),
        ("a\r", ["a"]),
        ("a\r\r\n", ["a"]),
        ("abc\b\bX\n", ["aXc"]),
        ("\b\b\ba\n", ["a"]),
        ("pass\b \b\b \bword\n", ["paword"]),
        ("spin |\b/\b-\b\\\bdone\n", ["spin done"]),
        # erase in line
        ("abcdef\r\x1b[Kxy\n", ["xy"]),
        ("abcdef\r\x1b[2Kxy\n", ["xy"]),
        ("abcdef\x1b[3D\x1b[K\n", ["abc"]),
        ("abcdef\x1b[3D\x1b[0K\n", ["abc"]),
        ("abcdef\x1b[3D\x1b[1K\n", ["    ef"]),
        ("abc\x1b[10C\x1b[K\n", ["abc"]),
        # cursor movements within a line
        ("abc\x1b[2DX\n", ["aXc"]),
        ("abc\x1b[99DX\n", ["Xbc"]),
        ("a\x1b[3Cb\n", ["a   b"]),
        ("a\x1b[Cb\n", ["a b"]),
        ("abcdef\x1b[3GX\n", ["abXdef"]),
        ("abcdef\x1b[GX\n", ["Xbcdef"]),
        # cursor movements between lines
        ("one\ntwo\n\x1b[1AX\n", ["one", "Xwo"]),
        ("one\ntwo\n\x1b[2A\x1b[Kuno\n\x1b[Kdos\n", ["uno", "dos"]),
        ("one\ntwo\n\x1b[99AX\n", ["Xne", "two"]),
        ("one\ntwo\nthree\x1b[2FX\n", ["Xne", "two", "three"]),
        ("one\ntwo\x1b[A\x1b[BX\n", ["one", "twoX"]),
        ("one\ntwo\x1b[A\x1b[EX\n", ["one", "Xwo"]),
        # erase below
        ("one\ntwo\nthree\x1b[2A\r\x1b[Jx\n", ["x"]),
        ("one\ntwo\x1b[0J\n", ["one", "two"]),
        # a new frame of a program that draws whole screens goes below the old one
        ("one\x1b[2J\x1b[Htwo\n", ["one", "two"]),
        ("\x1b[2J\x1b[Hone\x1b[2J\x1b[Htwo\n", ["one", "two"]),
        ("one\x1b[1;1Htwo\n", ["one", "two"]),
        ("one\x1b[1;1ftwo\n", ["one", "two"]),
        # styles, titles, links and what else has no text
        ("\x1b[31mred\x1b[0m\n", ["red"]),
        ("\x1b[1;38;2;255;0;0mred\x1b[m\n", ["red"]),
        ("\x9b31mred\x9bm\n", ["red"]),
        ("\x1b]0;a title\x07text\n", ["text"]),
        ("\x1b]0;a title\x1b\\text\n", ["text"]),
        ("\x1b]8;;http://x.org\x1b\\link\x1b]8;;\x1b\\\n", ["link"]),
        ("\x1bPq#0\x1b\\text\n", ["text"]),
        ("\x1b(Btext\x1b7\x1b8\x1b=\n", ["text"]),
        ("\x1b[?25lhidden cursor\x1b[?25h\n", ["hidden cursor"]),
        ("\x1b[?2004hpaste\n", ["paste"]),
        ("\x1b[4 qcursor shape\n", ["cursor shape"]),
        ("a\x07b\x00c\x7fd\n", ["abcd"]),
        # what is no escape sequence after all
        ("a\x1b", ["a"]),
        ("a\x1b\n", ["a"]),
        ("wide \u4e2d and \U0001f600\n", ["wide \u4e2d and \U0001f600"]),
    ],
)  # fmt: skip
def test_a_terminal_shows(text: str, lines: list[str]) -> None:
    assert shown(text) == lines


@pytest.mark.parametrize("final", "ABCDEFGKJHfmq")
def test_a_number_with_thousands_of_digits_is_a_large_number(final: str) -> None:
    assert shown(f"\x1b[{'9' * 5000}{final}x\n")[-1].endswith("x") or final in "CG"


def test_many_redraws_of_a_progress_bar_leave_one_line() -> None:
    bar = "".join(
        f"\r{step / 100:6.2f}%|{'#' * (step // 500):20}| {step}/10000 [00:01<00:00]" for step in range(10_001)
    )

    assert shown(bar + "\n") == ["100.00%|####################| 10000/10000 [00:01<00:00]"]


def test_many_redraws_of_several_bars_leave_one_line_each() -> None:
    frame = "".join(f"\x1b[2Klayer {{n}}.{bar}\n" for bar in range(3))
    text = "pulling\n" + "\x1b[3A".join(frame.replace("{n}", str(step)) for step in range(500)) + "done\n"

    assert shown(text) == ["pulling", "layer 499.0", "layer 499.1", "layer 499.2", "done"]


def test_of_a_long_line_the_beginning_is_kept_and_the_rest_counted() -> None:
    screen = Screen()
    screen.feed("x" * 5000 + "y", 0)
    [line] = screen.lines()

    assert line.text == "x" * MAX_LINE
    assert line.width == 5001
    assert screen.size == MAX_LINE


def test_a_long_line_that_is_drawn_over_is_as_long_as_what_is_left() -> None:
    assert shown("x" * 5000 + "\r\x1b[Kshort\n") == ["short"]


def test_lines_know_where_in_the_log_they_began() -> None:
    screen = Screen(100)
    screen.feed("one\n", 104)
    screen.feed("\rtwo\r\n", 110)
    screen.feed("three", 115)

    assert [(line.text, line.offset) for line in screen.lines()] == [("one", 100), ("two", 104), ("three", 110)]


TERMINAL_TEXT = st.lists(
    st.one_of(
        st.text(alphabet="ab \t\r\b\n", max_size=6),
        st.text(max_size=4),
        st.tuples(st.sampled_from(["", "0", "1", "2", "3", "7;9", "?25"]), st.sampled_from("ABCDEFGHJKfhlm")).map(
            lambda parts: f"\x1b[{parts[0]}{parts[1]}"
        ),
        st.sampled_from(["\x1b]0;t\x07", "\x1b", "\x1b[", "\x9b1m", "\x1b(B", "\x07"]),
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(text=TERMINAL_TEXT)
def test_any_text_can_be_drawn_and_its_size_is_that_of_its_lines(text: str) -> None:
    screen = Screen()
    for line in _lines(text):
        screen.feed(line, 0)

    lines = screen.lines()
    kept = sum(len(line.text) for line in lines)
    assert screen.size - kept in (len(lines) - 1, len(lines)), "the size of what is kept bounds a page"
    for line in lines:
        assert len(line.text) <= MAX_LINE
        assert len(line.text) <= line.width
        assert "\x1b" not in line.text
        assert "\n" not in line.text


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), max_size=40))
def test_text_without_controls_is_shown_as_it_is(text: str) -> None:
    screen = Screen()
    screen.feed(text, 0)

    assert "".join(line.text for line in screen.lines()) == text


# -- what the next bytes may complete ----------------------------------------------------------------------------------


@pytest.mark.parametrize("character", ["\u00e9", "\u20ac", "\u4e2d", "\U0001f600"])
@pytest.mark.parametrize("before", [b"", b"a", b"text " * 100, "\u20ac".encode()])
def test_a_code_point_cut_anywhere_is_kept_for_later(character: str, before: bytes) -> None:
    encoded = character.encode()
    for cut in range(1, len(encoded)):
        assert incomplete_tail(before + encoded[:cut]) == cut
    assert incomplete_tail(before + encoded) == 0


SEQUENCES = {
    "style": "\x1b[1;31m",
    "erase": "\x1b[2K",
    "private": "\x1b[?25h",
    "intermediate": "\x1b[4 q",
    "title": "\x1b]0;title\x07",
    "link": "\x1b]8;;http://x\x1b\\",
    "string": "\x1bPq\x1b\\",
    "character set": "\x1b(B",
    "save": "\x1b7",
    "one-byte style": "\x9b31m",
}


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=list(SEQUENCES))
@pytest.mark.parametrize("before", [b"", b"a", b"x" * 1000, b"\x1b[0m"])
def test_an_escape_sequence_cut_anywhere_is_kept_for_later(sequence: str, before: bytes) -> None:
    encoded = sequence.encode()
    for cut in range(1, len(encoded)):
        assert incomplete_tail(before + encoded[:cut]) == cut, encoded[:cut]
    assert incomplete_tail(before + encoded) == 0


@pytest.mark.parametrize(
    "data", [b"", b"a", b"a\n", b"\xff", b"\x80", b"\x80\x80\x80\x80\x80", b"\xf8", b"\x1b[31mred"]
)
def test_what_nothing_can_complete_is_not_kept(data: bytes) -> None:
    assert incomplete_tail(data) == 0


@given(data=st.binary(max_size=400))
def test_what_is_kept_is_never_more_than_the_data_nor_without_bound(data: bytes) -> None:
    assert 0 <= incomplete_tail(data) <= min(len(data), 256)


@given(text=st.text(max_size=50), cut=st.integers(min_value=0, max_value=200))
def test_text_cut_where_it_may_be_cut_decodes_as_a_whole(text: str, cut: int) -> None:
    data = text.encode()
    head = data[:cut]
    head = head[: len(head) - incomplete_tail(head)]

    assert head.decode() + data[len(head) :].decode() == text


# -- for searching -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a\nb", "a\nb"),
        ("\x1b[32mready\x1b[0m on 80", "ready on 80"),
        ("1%\r2%\n", "1%\n2%\n"),
        ("\x1b]0;t\x07x", "x"),
        ("\x9b1mx", "x"),
    ],
)
def test_text_to_be_searched_has_no_escapes_and_every_redraw_on_its_line(text: str, plain: str) -> None:
    assert plain_lines(text) == plain
