"""How numbers and commands read in answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.text import duration, end_of, one_line, real_path, size
from mcp_background_job.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, "0.0 s"),
        (0.0, "0.0 s"),
        (0.3, "0.3 s"),
        (9.94, "9.9 s"),
        (10.0, "10 s"),
        (42.4, "42 s"),
        (60.0, "1 min"),
        (180.0, "3 min"),
        (3540.0, "59 min"),
        (3600.0, "1.0 h"),
        (9000.0, "2.5 h"),
        (36_000.0, "10 h"),
        (86_400.0, "1 d"),
        (4 * 86_400.0, "4 d"),
    ],
)
def test_a_length_of_time_reads(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1500, "1.5 kB"),
        (123_456, "123 kB"),
        (1_500_000, "1.5 MB"),
        (2_000_000_000, "2.0 GB"),
        (3_400_000_000_000, "3.4 TB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_a_number_of_bytes_reads(count: int, text: str) -> None:
    assert size(count) == text


@given(text=st.text(), limit=st.integers(min_value=1, max_value=80))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)

    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    if len(" ".join(text.split())) > limit:
        assert line.endswith("…")


def test_one_line_joins_lines_and_runs_of_blanks() -> None:
    assert one_line("for x in 1 2\n\tdo  echo $x\ndone", 80) == "for x in 1 2 do echo $x done"


@given(st.text(), st.integers(2, 40))
def test_the_end_of_a_text_is_within_its_limit_and_marked_if_it_is_cut(text: str, limit: int) -> None:
    end = end_of(text, limit)
    assert len(end) <= limit
    assert end == text if len(text) <= limit else end[0] == "…" and text.endswith(end[1:])


@pytest.mark.parametrize(
    ("limit", "end"),
    [(40, "Traceback (most recent call last): at 5"), (27, "… recent call last): at 5"), (3, "… 5"), (2, "…5")],
)
def test_the_end_of_a_text_begins_with_a_whole_word(limit: int, end: str) -> None:
    assert end_of("Traceback (most recent call last): at 5", limit) == end
    assert end_of("one long\nlast line", 13) == "…\nlast line"
    assert end_of("oneword", 4) == "…ord"


def test_a_path_is_followed_from_where_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "link").symlink_to(tmp_path / "there")

    assert real_path("link/x", str(tmp_path)) == str(tmp_path / "there" / "x")
    assert real_path("~/x", "/elsewhere") == str(tmp_path / "home" / "x")
    assert real_path("/y", "/elsewhere") == "/y"


@pytest.mark.parametrize("path", ["\0", "~\0", "/a\0b", "~/\ud800", "a/\ud8ff"])
def test_what_cannot_be_a_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequestError, match="is not a path"):
        real_path(path)
