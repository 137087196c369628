"""When looks come, and which are kept."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.sampling import LONGEST_INTERVAL_S, MAX_POINTS, interval_s, thinned


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [(0, 1), (1, 1), (59.9, 1), (60, 1), (120, 2), (300, 5), (600, 10), (3_600, 10), (400 * 86_400, 10)],
)
def test_looks_come_every_second_in_the_first_minute_and_then_ever_more_sparsely(age_s: float, expected: float) -> None:
    assert interval_s(age_s, 0) == expected


@pytest.mark.parametrize(("rest_s", "expected"), [(0, 1), (1, 1), (2, 2), (7.5, 7.5), (10, 10), (5_000, 10)])
def test_a_job_at_rest_is_looked_at_less_often(rest_s: float, expected: float) -> None:
    assert interval_s(20, rest_s) == expected


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=MAX_POINTS))
def test_thinning_keeps_first_and_last_and_leaves_half_of_the_room(times: list[float]) -> None:
    times.sort()
    places, spacing = thinned(times)

    assert places[0] == 0
    assert places[-1] == len(times) - 1
    assert places == sorted(set(places))
    assert len(places) <= MAX_POINTS // 2 + 2
    kept = [times[place] for place in places[:-1]]
    assert all(after - before >= spacing for before, after in itertools.pairwise(kept))


@given(st.floats(0, 1e8), st.floats(0, 1e4), st.floats(0, 1e8))
def test_the_newest_look_is_never_older_than_the_longest_interval(age_s: float, more_s: float, rest_s: float) -> None:
    assert interval_s(age_s, rest_s) <= interval_s(age_s + more_s, rest_s) <= LONGEST_INTERVAL_S
