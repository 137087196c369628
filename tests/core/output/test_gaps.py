"""Bytes that are missing are told at their place, once, whatever is shown and however it is cut into pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.output import gaps, rendering
from mcp_background_job.core.output.gaps import Gap, Why

_LINES = b"one\ntwo\nthree\n"


def _gap(position: int, count: int = 1500, why: Why = Why.LOST) -> Gap:
    return Gap(position, position, count, why)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (0, ["[… 1.5 kB not stored, disk full …]", "one", "two", "three"]),
        (4, ["one", "[… 1.5 kB not stored, disk full …]", "two", "three"]),
        (6, ["one", "tw", "[… 1.5 kB not stored, disk full …]", "o", "three"]),
        (14, ["one", "two", "three", "[… 1.5 kB not stored, disk full …]"]),
    ],
)
def test_a_gap_is_told_where_the_bytes_are_missing(position: int, expected: list[str]) -> None:
    missing = [_gap(position)]

    assert [row.text for row in rendering.render(_LINES, 0, missing)] == expected
    assert [row.text for row in rendering.raw_rows(_LINES, 0, missing)] == expected
    assert rendering.raw_text(_LINES, missing).splitlines() == expected


def test_nothing_is_drawn_across_a_gap() -> None:
    rows = rendering.render(b"abc\rX\n", 0, [_gap(4)])

    assert [row.text for row in rows] == ["abc", "[… 1.5 kB not stored, disk full …]", "X"]


@given(
    data=st.lists(st.sampled_from([b"a", b"bc\n", b"\n", b"\r", b"long line\n"]), max_size=40).map(b"".join),
    places=st.lists(st.integers(0, 200), max_size=6),
    budget=st.integers(1, 60),
    can_end=st.booleans(),
)
def test_pages_tell_each_gap_once(data: bytes, places: list[int], budget: int, *, can_end: bool) -> None:
    missing = [_gap(place, 1 + number) for number, place in enumerate(sorted(min(p, len(data)) for p in places))]
    if not can_end:
        missing = [gap for gap in missing if gap.position < len(data)]
    told: list[str] = []
    position = 0
    for _ in range(len(data) + 2):
        # What a reader gets who reads on from there.
        page = rendering.render_page(
            data[position:], position, budget=budget, final=True, gaps=gaps.shifted(missing, position)
        )
        told += [row.text for row in page.rows if row.is_note]
        position += page.consumed
        if position == len(data):
            break
        assert page.consumed, "a reader that does not get further never ends"
    assert told == [gaps.note(gap) for gap in missing]


def test_what_is_left_out_in_the_middle_names_the_gaps_in_it() -> None:
    data = b"".join(b"line %d\n" % number for number in range(100))
    rows = rendering.render(data, 0, [_gap(400)])

    _, _, left_out = rendering.fit(rows, 100)

    assert left_out
    assert left_out.notes == ("[… 1.5 kB not stored, disk full …]",)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/state/jobs/j1/output.log", "tail -c +4097 /state/jobs/j1/output.log | grep …"),
        ("/my state/it's/output.log", "tail -c +4097 '/my state/it'\\''s/output.log' | grep …"),
    ],
)
def test_the_way_to_search_a_log_with_a_hole_is_a_command_that_works(path: str, expected: str) -> None:
    assert gaps.way_to_search(path, 4096) == expected
    assert gaps.way_to_search(path, 0) is None


def test_a_summary_adds_up_what_is_missing_for_each_reason() -> None:
    missing = [_gap(0, 1000, Why.DROPPED), _gap(0, 7), _gap(9, 5)]

    assert gaps.summary(missing) == "1.0 kB dropped by retention, 12 B not stored, disk full"
    assert gaps.summary([]) is None
