"""Text is cut between words, within the cells that a terminal has for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mcp_background_job.cli.wrapping import cells, cut, wrapped

WIDTHS = [60, 80, 200]

JAPANESE = "漢字かな" * 60

#: Characters of one cell, of two, and of none, and spaces.
TEXTS = st.text(st.sampled_from("ab é漢字😀\u0301\u200b "), max_size=200)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("text", [f"the note is {JAPANESE} as ever", "漢字 かな " * 40, "😀 smile " * 40])
def test_no_line_is_wider_than_the_terminal_in_cells(text: str, width: int) -> None:
    lines = wrapped(text, width, "  ").splitlines()

    assert max(map(cell_len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(text=TEXTS, width=st.integers(20, 80))
def test_nothing_is_lost_and_every_line_fits_or_is_one_word(text: str, width: int) -> None:
    lines = wrapped(text, width, "  ").split("\n")

    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cells(line) <= width or len(line.split()) == 1 for line in lines)


def test_a_word_that_fits_on_no_line_stays_behind_its_label() -> None:
    path = f"/tmp/{'x' * 100}"

    assert wrapped(f"cwd   {path} and more", 60, "      ") == f"cwd   {path}\n      and more"


@given(text=TEXTS, width=st.integers(1, 80))
def test_text_that_is_cut_fits_and_says_so(text: str, width: int) -> None:
    shown = cut(text, width)

    assert cells(shown) <= width
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))
