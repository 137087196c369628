"""Where in a growing log an expression is found, and what is said of what could not be searched."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.output.gaps import Gap, Why
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.reader import Piece
from mcp_background_job.jobs.waiting.scan import PIECE, Scanner, Search, Searches, Sought
from tests.places.memory import MemoryJob, MemoryStore


class Log(MemoryStore):
    """A log in memory, of which the beginning may be dropped."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self.jobs["j"] = MemoryJob()
        self.first = 0
        self.say(data)

    def say(self, data: bytes) -> None:
        self.jobs["j"].say(data)

    def read_log(self, job_id: str, offset: int, limit: int, stream: Stream | None = None) -> Piece:
        piece = super().read_log(job_id, max(offset, self.first), limit, stream)
        dropped = piece.start - offset
        gaps = (Gap(0, offset, dropped, Why.DROPPED),) if dropped > 0 else ()
        return dataclasses.replace(piece, first=self.first, gaps=gaps)


def sought(pattern: str, since: int = 0) -> Sought:
    return Sought(regex.compile(pattern, regex.MULTILINE), since)


def fed(scanner: Scanner, parts: Iterable[bytes]) -> Scanner:
    """Search in what comes part by part, as it comes."""
    log = Log()
    for part in parts:
        log.say(part)
        while not scanner.is_over and scanner.scan(log, "j") < len(log.jobs["j"].log):
            pass
    return scanner


def places(scanner: Scanner) -> list[int | None]:
    return [found and found.behind for found in (scanner.matched, scanner.failed)]


@pytest.mark.parametrize("before", [0, 10, 64 * 1024 - 3, 64 * 1024, 200_000, PIECE - 3, PIECE + 5])
def test_a_match_across_two_reads_of_a_line_without_an_end_is_found(before: int) -> None:
    scanner = fed(Scanner(sought("NEEDLE"), None), [b"x" * before + b"NEE", b"DLE"])
    assert scanner.matched
    assert scanner.matched.behind == before + 6


@pytest.mark.parametrize("before", [b"", b"line\n" * 3000, b"x" * 70_000 + b"\n"])
@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("one\ntwo", [b"one\n", b"two\n"]),
        ("\nready", [b"starting", b"\n", b"rea", b"dy"]),
        (r"3 passed\s+0 failed", [b"3 passed\r\n", b"\r\n", b"0 failed\r\n"]),
        (r"^a\n(b\n)+c$", [b"a\n", *[b"b\n"] * 500, b"c\n"]),
    ],
)
def test_an_expression_of_several_lines_is_found_however_they_come(
    before: bytes, pattern: str, parts: list[bytes]
) -> None:
    data = before + b"".join(parts)
    scanner = fed(Scanner(sought(pattern), None), [before, *parts])
    assert places(scanner) == places(fed(Scanner(sought(pattern), None), [data]))
    assert scanner.matched


def test_lines_that_are_searched_again_begin_no_other_line() -> None:
    parts = [b"x" * 70_000, b"yy\n", b"z"]
    assert fed(Scanner(sought("^[xy]+y\nz", since=1), None), parts).matched is None


def test_the_place_where_a_search_goes_on_is_not_taken_for_the_beginning_of_a_line() -> None:
    parts = [b"y" + b"x" * 100_000, b"x" * 100_000, b"\nxx"]
    assert fed(Scanner(sought("^x"), None), parts[:2]).matched is None
    found = fed(Scanner(sought("^x"), None), parts).matched
    assert found
    assert found.behind == 200_003
    log = Log(b"first line\nsecond line\n")
    behind = Scanner(sought("^.*line$", since=3), None)
    behind.scan(log, "j")
    assert behind.matched
    assert behind.matched.line == "second line"


@pytest.mark.parametrize(
    "data", [b"a ok \xff\xfe ok", "é ok\x1b[1m ok 日".encode(), b"ok\rok\n", b"\x1b[31mok\x1b[0mok", b"\xc3ok ok\xe2"]
)
def test_each_match_is_told_once_whatever_the_bytes(data: bytes) -> None:
    log, behind = Log(data), 0
    for _ in range(2):
        scanner = Scanner(sought("ok", since=behind), None)
        scanner.scan(log, "j")
        assert scanner.matched
        assert data[: scanner.matched.behind].endswith(b"ok")
        assert scanner.matched.behind > behind
        behind = scanner.matched.behind
    over = Scanner(sought("ok", since=behind), None)
    over.scan(log, "j")
    assert over.matched is None


@given(
    words=st.lists(st.sampled_from(["ok", "ERR", "a", "\n", "é", "\x1b[1m", "\r"]), max_size=30),
    cuts=st.lists(st.integers(1, 20), max_size=8),
    since=st.integers(0, 30),
    fail_since=st.integers(0, 30),
)
def test_the_first_of_both_expressions_is_told_however_the_output_comes(
    words: list[str], cuts: list[int], since: int, fail_since: int
) -> None:
    data = "".join(words).encode()
    whole = fed(Scanner(sought("ok", since), sought("ERR", fail_since)), [data])
    ok, error = data.find(b"ok", since), data.find(b"ERR", fail_since)
    expected = min((place for place in (ok, error) if place >= 0), default=None)
    found = whole.failed or whole.matched
    assert (found is None) == (expected is None)
    assert whole.failed is None or whole.failed.behind == error + 3
    assert whole.matched is None or whole.matched.behind == ok + 2
    parts: list[bytes] = []
    for cut in cuts:
        parts.append(data[:cut])
        data = data[cut:]
    piecewise = fed(Scanner(sought("ok", since), sought("ERR", fail_since)), [*parts, data])
    assert places(piecewise) == places(whole)


@pytest.mark.parametrize(
    ("since", "skipped"), [(0, "1.0 kB dropped by retention"), (400, "600 B dropped by retention"), (1000, None)]
)
def test_what_was_dropped_before_it_could_be_searched_is_said(since: int, skipped: str | None) -> None:
    log = Log(b"needle\n" + b"." * 1000 + b"\nrest\n")
    log.first = 1000
    scanner = Scanner(sought("needle", since), None)
    scanner.scan(log, "j")
    assert scanner.matched is None
    assert scanner.skipped == skipped


async def test_who_looks_again_goes_on_where_the_last_look_has_ended() -> None:
    log, searches, read = Log(b"x" * 79 + b"\n" + b"y" * 200_000 + b"\n"), Searches(), list[int]()

    class Watched(Log):
        def read_log(self, job_id: str, offset: int, limit: int, stream: Stream | None = None) -> Piece:
            read.append(offset)
            return log.read_log(job_id, offset, limit, stream)

    async def look(pattern: str, since: int = 0) -> Search:
        search = searches.of(Watched(), "j", sought(pattern, since), None)
        await search.up_to(log.log_extent("j")[1])
        return search

    await look("ready")
    before, _ = len(read), log.say(b"ready\n")
    found = (await look("ready")).scanner.matched
    assert found
    assert found.line == "ready"
    assert min(read[before:]) > 0, "the beginning was not searched again"
    await look("ready", 5)
    assert read[-1] == 0, "another search begins at its own place"
    for number in range(1000):
        searches.of(log, "j", sought(f"r{number}"), None)
    before = len(read)
    await look("ready")
    assert read[before] == 0, "not all are remembered"
