"""Windows on a log: whatever their size and direction, together they are the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobs.reading import search as searching
from mcp_background_job.jobs.reading import window as windows
from mcp_background_job.jobs.reading.search import Hit, search, sought_of, trouble
from mcp_background_job.jobs.reading.window import View, Window
from tests.places.memory import MemoryJob, MemoryStore

JOB = "jabcde"
NEVER = float("inf")


def log_of(*parts: tuple[Stream, str]) -> MemoryStore:
    store = MemoryStore()
    job = store.jobs[JOB] = MemoryJob()
    for stream, text in parts:
        job.say(text.encode(), stream)
    return store


def out(*texts: str) -> MemoryStore:
    return log_of(*((Stream.STDOUT, text) for text in texts))


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_CHUNK", 40)
    monkeypatch.setattr(windows, "_CHUNK_BACKWARDS", 40)
    monkeypatch.setattr(windows, "_LARGE_CHUNK", 80)
    monkeypatch.setattr(windows, "_LONGEST_LINE", 640)
    monkeypatch.setattr(searching, "_PIECE", 300)


LINES = [f"line {number} .{'x' * (number % 50)}" for number in range(120)]
MIXED = log_of(*((Stream.STDERR if n % 7 == 0 else Stream.STDOUT, f"{line}\n") for n, line in enumerate(LINES)))


def forward(view: View, count: int) -> Iterator[Window]:
    window = view.forward(0, count)
    yield window
    while window.next < window.end:
        window = view.forward(window.next, count)
        yield window


def backward(view: View, count: int) -> list[Window]:
    found = [view.newest(count)]
    while found[0].start > found[0].first:
        found.insert(0, view.backward(found[0].start, count))
    return found


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("count", [1, 3, 50, 1000])
@pytest.mark.parametrize("stream", [None, Stream.STDOUT, Stream.STDERR])
def test_windows_put_together_are_the_log_in_both_directions(count: int, stream: Stream | None) -> None:
    view = View(MIXED, JOB, stream)
    wanted = [n for n in range(len(LINES)) if stream is None or (n % 7 == 0) == (stream is Stream.STDERR)]

    ahead = [row for window in forward(view, count) for row in window.rows]
    back = [row for window in backward(view, count) for row in window.rows]

    assert [row.text for row in ahead] == [LINES[n] for n in wanted]
    assert back == ahead
    assert [row.stream for row in ahead] == [Stream.STDERR if n % 7 == 0 else Stream.STDOUT for n in wanted]
    assert all(row.at is not None for row in ahead)
    log = MIXED.read_log(JOB, 0, 2**20).data
    assert all(log[row.offset :].startswith(row.text.encode()) for row in ahead)


@pytest.mark.usefixtures("_small_chunks")
def test_a_window_around_a_place_begins_with_whole_lines_before_it() -> None:
    offset = MIXED.read_log(JOB, 0, 2**20).data.index(b"line 60 ") + 3

    window = View(MIXED, JOB).around(offset, 12)

    assert len(window.rows) == 12
    numbers = [int(row.text.split()[1]) for row in window.rows]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[0] < 60 < numbers[-1]
    assert {row.text for row in window.rows} <= set(LINES)


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("a\nb\n", 4),
        ("a\nb\nopen", 4),
        ("", 0),
        (f"{'y' * 700}", 0),
        (f"old\n{'z' * 20_000}\rnew", 20_005),
    ],
)
def test_what_may_still_change_is_the_line_that_is_not_finished(text: str, live: int) -> None:
    store = out(text) if text else out()

    assert View(store, JOB).newest(10).live == live
    assert View(store, JOB).forward(0, 10**6).live == live


def test_output_that_moves_upwards_may_change_the_lines_before() -> None:
    bars = "".join(f"\x1b[2Afirst {n}\x1b[K\nsecond {n}\x1b[K\n" for n in range(5))
    store = out(f"before\n\n\n{bars}")

    window = View(store, JOB).newest(10)

    assert window.live == 0
    again = View(store, JOB).forward(window.live, 10**6)
    assert [row.text for row in again.rows] == ["before", "first 4", "second 4"]


@pytest.mark.usefixtures("_small_chunks")
def test_a_line_longer_than_is_read_at_once_is_shown_and_gone_beyond() -> None:
    store = out(f"{'q' * 5000}\nlast\n")

    rows = [row.text for window in forward(View(store, JOB), 1) for row in window.rows]

    assert rows[-1] == "last"
    assert all(set(row.split("…")[0]) == {"q"} for row in rows[:-1])
    assert View(store, JOB).backward(5006, 1).rows[-1].text == "last"


def test_of_lines_that_are_all_alike_not_the_whole_log_is_read() -> None:
    view = View(out("the same\n" * 200_000), JOB)
    size = view.store.log_extent(JOB)[1]

    newest, oldest = view.newest(200), view.forward(0, 200)

    assert newest.start > size / 2
    assert oldest.next < size / 2
    assert sum(len(window.rows) for window in backward(view, 200)) < 100


@pytest.mark.parametrize("end", ["", "\n", "\nnot finished"])
@pytest.mark.parametrize("count", [1, 7, 30, 31, 400])
def test_the_newest_lines_are_those_that_are_read_backwards(end: str, count: int) -> None:
    view = View(out("\n".join(f"{number:03} of a log" for number in range(30)) + end), JOB)

    newest, read = view.newest(count), view.backward(view.store.log_extent(JOB)[1], count)

    assert newest.rows == read.rows
    assert (newest.start, newest.next, newest.first, newest.end) == (read.start, read.next, read.first, read.end)


def test_only_wanted_lines_are_shown_and_the_window_says_how_far_it_looked() -> None:
    view = View(MIXED, JOB, wanted=lambda line: "line 9" in line)

    assert [row.text for row in view.forward(0, 3).rows] == [LINES[9], LINES[90], LINES[91]]
    assert [row.text for row in view.newest(2).rows] == [LINES[98], LINES[99]]


@pytest.mark.usefixtures("_small_chunks")
def test_finding_lines_ends_with_its_time_and_goes_on_where_it_ended() -> None:
    view = View(MIXED, JOB, wanted=lambda line: line == LINES[110], deadline=0.0)

    window = view.forward(0, 10)
    rounds = 1
    while window.next < window.end and not window.rows:
        window = view.forward(window.next, 10)
        rounds += 1

    assert rounds > 5
    assert [row.text for row in window.rows] == [LINES[110]]


# -- search ------------------------------------------------------------------------------------------------------------


def lines(hits: list[Hit]) -> list[str]:
    return [hit.line for hit in hits]


def found(store: MemoryStore, pattern: str, stream: Stream | None = None) -> list[Hit]:
    return search(store, JOB, sought_of(pattern), begin=0, stream=stream, limit=100, deadline=NEVER).hits


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("warn", ["WARNING 1", "a warn"]),
        ("Warn", []),
        ("WARN", ["WARNING 1"]),
        (r"^a \w+$", ["a warn"]),
        ("é", ["caf\u00e9"]),
        ("É", []),
        ("red", ["red"]),
    ],
)
def test_small_letters_find_capitals_too_and_styles_do_not_hide_words(pattern: str, expected: list[str]) -> None:
    store = out("WARNING 1\na warn\ncaf\u00e9\n\x1b[31mr\x1b[1med\x1b[0m\n")

    assert lines(found(store, pattern)) == expected


def test_a_hit_knows_the_line_in_the_log_that_it_is_in() -> None:
    hits = found(MIXED, "line 77")

    log = MIXED.read_log(JOB, 0, 2**20).data
    assert [hit.offset for hit in hits] == [log.index(b"line 77")]
    assert lines(found(MIXED, "line 7", Stream.STDERR)) == [LINES[7], LINES[70], LINES[77]]


@pytest.mark.usefixtures("_small_chunks")
def test_a_search_goes_on_where_its_limit_or_its_time_ended_it() -> None:
    hits: list[Hit] = []
    offset = calls = 0
    while True:
        done = search(MIXED, JOB, sought_of("line .*1"), begin=offset, stream=None, limit=4, deadline=0.0)
        hits += done.hits
        calls += 1
        if done.is_over:
            break
        offset = done.next
    whole = found(MIXED, "line .*1")

    assert hits == whole
    assert calls > 3


def test_what_went_wrong_is_found_without_knowing_its_words() -> None:
    store = out("0 errors\nok\nValueError: no\nmake: *** [all] Error 2\nerror_log.txt written\n")

    done = search(store, JOB, trouble(), begin=0, stream=None, limit=9, deadline=NEVER)

    assert lines(done.hits) == ["ValueError: no", "make: *** [all] Error 2"]
