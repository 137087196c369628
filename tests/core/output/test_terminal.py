"""What a terminal of a certain size shows of what a full-screen program has written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.output.terminal import Terminal, last_clear


def shown(text: str, rows: int = 4, columns: int = 8) -> list[str]:
    terminal = Terminal(rows, columns)
    terminal.feed(text)
    lines = terminal.lines()
    assert len(lines) == rows
    while lines and not lines[-1]:
        lines.pop()
    return lines


FULL = "one\r\ntwo\r\nthree\r\nfour"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # text, and where it goes when the line or the screen is full
        ("", []),
        ("ab\r\ncd", ["ab", "cd"]),
        ("ab\ncd", ["ab", "  cd"]),
        ("abcdefghij", ["abcdefgh", "ij"]),
        ("abcdefgh\r\nx", ["abcdefgh", "x"]),
        ("abcdefgh\b\bX", ["abcdeXgh"]),
        ("\x1b[?7labcdefghijX", ["abcdefgX"]),
        (f"{FULL}\r\nfive", ["two", "three", "four", "five"]),
        ("a\tb\tc", ["a      c"]),
        ("ab\b\bX\r\rY", ["Yb"]),
        # characters that are wide, or none
        ("日本語", ["日本語"]),
        ("abcdefg日", ["abcdefg", "日"]),
        ("日本\r\x1b[CX", [" X本"]),
        ("日本\rX", ["X 本"]),
        ("日本\r\x1b[X", ["  本"]),
        ("e\u0301x\u200d", ["e\u0301x\u200d"]),
        ("\u0301a", ["a"]),
        # the cursor
        ("\x1b[2;3Hx\x1b[Hy\x1b[4;8fz", ["y", "  x", "", "       z"]),
        ("\x1b[99;99Hx", ["", "", "", "       x"]),
        ("abc\x1b[2Dx\x1b[Cy", ["axcy"]),
        ("abc\x1b[5Gx\x1b[2`y\x1b[3dz", ["ayc x", "", "  z"]),
        ("a\x1b[2Bb\x1b[Ac\x1b[Ed\x1b[2Fe", ["e", "  c", "db"]),
        ("ab\x1b7\x1b[3;3Hx\x1b8c\x1b[s\x1b[4;4Hy\x1b[ud", ["abcd", "", "  x", "   y"]),
        ("ab\x1bDc\x1bEd\x1bMe", ["ab", " ec", "d"]),
        # erasing
        ("abcdef\x1b[3D\x1b[K", ["abc"]),
        ("abcdef\x1b[3D\x1b[1K", ["    ef"]),
        ("abcdef\x1b[2Kx", ["      x"]),
        (f"{FULL}\x1b[2;2H\x1b[J", ["one", "t"]),
        (f"{FULL}\x1b[3;2H\x1b[1J", ["", "", "  ree", "four"]),
        (f"{FULL}\x1b[2Jx", ["", "", "", "    x"]),
        ("abcdef\x1b[3G\x1b[2X", ["ab  ef"]),
        # inserting and deleting
        ("abcdef\x1b[3G\x1b[2P", ["abef"]),
        ("abcdefgh\x1b[3G\x1b[2@X", ["abX cdef"]),
        ("abc\r\x1b[4hXY\x1b[4lZ", ["XYZbc"]),
        (f"{FULL}\x1b[2;3H\x1b[L", ["one", "", "two", "three"]),
        (f"{FULL}\x1b[2;3H\x1b[2Mx", ["one", "xour"]),
        # scrolling, within margins too
        (f"{FULL}\x1b[2S", ["three", "four"]),
        (f"{FULL}\x1b[T", ["", "one", "two", "three"]),
        (f"{FULL}\x1b[H\x1bM", ["", "one", "two", "three"]),
        (f"{FULL}\x1b[2;3r\x1b[3;1H\nx", ["one", "three", "x", "four"]),
        (f"{FULL}\x1b[2;3r\x1b[2;1H\x1bMx", ["one", "x", "two", "four"]),
        (f"{FULL}\x1b[3;2rx", ["one", "two", "three", "fourx"]),
        (f"{FULL}\x1b[2;3r\x1b[4;1H\n\nx", ["one", "two", "three", "xour"]),
        # repeated characters, and those of a VT100 for lines
        ("-\x1b[3bx", ["----x"]),
        ("\x1b(0lqk\x1b(Bq", ["┌─┐q"]),
        ("\x1b)0\x0elqk\x0fq", ["┌─┐q"]),
        # the alternate screen
        ("main\x1b[?1049h\x1b[Halt\x1b[?1049l!", ["main!"]),
        ("main\x1b[?1049h\x1b[Halt", ["alt"]),
        ("main\x1b[?1049h\x1b[?1049h\x1b[?47lx", ["mainx"]),
        # what is not shown
        ("\x1b]0;title\x07a\x1bP+q\x1b\\b\x1b_x\x1b\\c", ["abc"]),
        ("\x1b[1;38;5;7ma\x1b[>4;2m\x1b[?25l\x1b[=1c\x1b[22;0;0tb\x1b[38:2:1:2:3mc", ["abc"]),
        ("ab\x1bcx", ["x"]),
    ],
)
def test_the_screen_shows(text: str, lines: list[str]) -> None:
    assert shown(text) == lines


@given(
    st.text(
        st.sampled_from("ab日\u0301\x1b[]0123459;?hlrHJKLMPXSTbABCDEFGdmsu78cDEM()0B\r\n\t\b\x0e\x0f"), max_size=200
    )
)
def test_whatever_is_written_each_line_keeps_its_cells(text: str) -> None:
    terminal = Terminal(4, 8)
    terminal.feed(text)
    assert [len(cells) for cells in terminal._cells] == [8] * 4
    assert 0 <= terminal.row < 4
    assert 0 <= terminal.column <= 8


@pytest.mark.parametrize(
    ("data", "begin"),
    [
        (b"abc", None),
        (b"abc\x1b[2Jdef", 3),
        (b"\x1b[2Jabc\x1b[H\x1b[Jdef", 7),
        (b"abc\x1b[?1049hdef", 3),
        (b"abc\x1b[?1049h\x1b[2Jdef\x1b[?1049lghi", None),
        (b"\x1b[?1049hdef\x1b[?1049lghi\x1b[3J", 22),
    ],
)
def test_the_picture_begins_at_the_last_clear_unless_an_older_one_comes_back(data: bytes, begin: int | None) -> None:
    assert last_clear(data) == begin
