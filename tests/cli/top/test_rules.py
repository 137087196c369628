"""What is shown in which window, and which keys there are: rules, as tables."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from mcp_background_job.cli.top import ability, curves, keys, lists
from mcp_background_job.cli.top.columns import Column, Facts, joined, layout
from mcp_background_job.cli.top.filtering import meant_by
from mcp_background_job.cli.top.pager import Line, wrapped
from mcp_background_job.cli.top.painting import fitted, harmless
from mcp_background_job.cli.top.searching import pattern_of, spans
from mcp_background_job.cli.top.told import lines_of

LISTS = {"jobs": lists.JOBS, "prompts": lists.PROMPTS, "runs": lists.RUNS}


@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 100, 119, 140, 200, 400])
@pytest.mark.parametrize("columns", LISTS.values(), ids=LISTS.keys())
def test_a_list_fills_its_window_and_no_more(columns: tuple[Column, ...], width: int) -> None:
    placed = layout(columns, width)
    taken = sum(one.width for one in placed) + len(placed) - 1
    assert taken <= max(width, sum(one.column.width for one in placed) + len(placed) - 1)
    assert width < 60 or taken == width
    assert all(one.width >= 1 for one in placed)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (60, "STATUS NAME AGE CPU MEM LAST LINE"),
        (80, "STATUS JOB NAME AGE CPU MEM LAST LINE"),
        (120, "STATUS JOB NAME PROJECT AGE CPU MEM LAST LINE"),
        (200, "STATUS JOB NAME PROJECT AGE CPU MEM COMMAND LAST LINE"),
    ],
)
def test_a_wider_window_shows_more_of_jobs(width: int, shown: str) -> None:
    assert " ".join(one.column.title for one in layout(lists.JOBS, width)) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("short", 8, "short   "),
        ("much too long", 8, "much to…"),
        ("数字数字", 5, "数字…"),
        ("数字数字", 6, "数字 …"),
        ("a\tb", 10, "a       b "),
        ("two\nlines", 9, "two lines"),
        ("any", 0, ""),
    ],
)
def test_a_cell_is_as_wide_as_it_has_to_be(text: str, width: int, shown: str) -> None:
    assert fitted(text, width) == shown
    assert cell_len(shown) == width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("[bold]no[/bold] [@click=app.quit]x[/]", "[bold]no[/bold] [@click=app.quit]x[/]"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("back\b\rspace", "back\\x08\\rspace"),
        ("bad \udcff name", "bad \\xff name"),
        ("x" * 10_000, "x" * 3999 + "…"),
    ],
)
def test_nothing_that_anybody_wrote_is_obeyed(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_the_last_line_has_the_keys_that_do_something_and_fits() -> None:
    running: Facts = {"status": "running"}
    for width in (30, 60, 100, 200):
        for tab in keys.TABS:
            for row in (None, running, {"status": "completed"}):
                shown = keys.footer(tab, row, width)
                assert sum(len(key) + 1 + len(label) + 2 for key, label in shown) <= max(width, 16)
                assert [key for key, _ in shown[-2:]] == ["?", "q"]
    assert ("k", "kill") in keys.footer(keys.JOBS, running, 60)
    assert ("k", "kill") not in keys.footer(keys.JOBS, {"status": "completed"}, 60)
    assert ("a", "answer") in keys.footer(keys.RUNS, {"status": "input_required"}, 60)


@pytest.mark.parametrize("tab", keys.TABS)
def test_each_key_means_one_thing_in_a_tab(tab: str) -> None:
    there = [key.key for key in (*keys.of_tab(tab), *keys.COMMON)]
    assert len(there) == len(set(there))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("", {"status": None, "text": None}),
        ("running", {"status": "running", "text": None}),
        ("Failed  killed make -j", {"status": "failed,killed", "text": "make -j"}),
    ],
)
def test_words_that_are_statuses_choose_by_them(words: str, meant: Facts) -> None:
    assert meant_by(words) == meant


@pytest.mark.parametrize(
    ("points", "bars"),
    [
        ([], "    "),
        ([(0.0, None), (4.0, 0.0)], "    "),
        ([(0.0, 1.0)], "   █"),
        ([(0.0, None), (1.0, 0.25), (2.0, 0.5), (3.0, 0.75), (4.0, 1.0)], "▂▄▆█"),
        ([(0.0, None), (100.0, 0.01), (101.0, 1.0), (102.0, 0.01)], "▁▁▁█"),
        ([(7.0, 8.0), (7.0, 8.0)], "   █"),
    ],
)
def test_bars_begin_at_zero_and_stand_for_equal_times(points: list[curves.Point], bars: str) -> None:
    assert curves.bars(points, 4, least_top=1.0) == bars


@pytest.mark.parametrize(
    ("parts", "width", "shown"), [(("a", "bb"), 5, "a, bb"), (("a", "bb"), 4, "a"), ((), 4, ""), (("long",), 3, "")]
)
def test_a_title_has_the_parts_that_fit(parts: tuple[str, ...], width: int, shown: str) -> None:
    assert joined(parts, width) == shown


def test_a_long_line_goes_on_below_further_in() -> None:
    lines = wrapped([Line("  said a lot of things", "bold"), Line(""), Line("x" * 12)], 10)
    assert [line.text.rstrip() for line in lines] == ["  said a", "    lot of", "    things", "", "x" * 10, "  xx"]
    assert all(len(line.text) <= 10 for line in lines)
    assert {line.style for line in lines[:3]} == {"bold"}


@pytest.mark.parametrize(
    ("words", "line", "found"),
    [("err", "an ERROR", [(3, 6)]), ("Err", "an ERROR", []), ("a|b", "abc", [(0, 1), (1, 2)]), ("x*", "ab", [])],
)
def test_small_letters_mean_capitals_too(words: str, line: str, found: list[tuple[int, int]]) -> None:
    assert spans(pattern_of(words), line) == found


def test_an_expression_that_takes_for_ever_holds_up_nobody() -> None:
    assert spans(pattern_of("(a|aa)+$"), "a" * 3000 + "b") == []


def test_a_report_is_told_field_by_field() -> None:
    report = {
        "status": "failed",
        "error": {"type": "KeyError", "traceback": ["line 1", "line 2"]},
        "files": [{"node": "9", "file": "a.png"}, {"node": "9", "file": "b.png"}],
        "left": None,
        "hidden": 1,
    }
    assert [line.text.split(maxsplit=1) for line in lines_of(report, but=("hidden",))] == [
        ["status", "failed"],
        ["error", "type: KeyError"],
        ["line", "1"],
        ["line", "2"],
        ["files", "node 9, file a.png"],
        ["node", "9, file b.png"],
    ]


@pytest.mark.parametrize(
    ("name", "moves", "has_colours"),
    [
        ("xterm-256color", True, True),
        ("screen", True, True),
        ("linux-m", True, False),
        ("vt100", True, False),
        ("dumb", False, False),
        ("", False, False),
        (None, False, False),
        ("a-terminal-of-tomorrow", True, True),
    ],
)
def test_what_a_terminal_can_do_is_known_by_its_name(name: str | None, *, moves: bool, has_colours: bool) -> None:
    assert ability.of_terminal(name) == ability.Ability(moves, has_colours)
