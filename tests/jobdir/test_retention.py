"""What the runner drops, and how, where holes can be punched and where they cannot."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.output.gaps import Gap, Why
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log import reader
from mcp_background_job.jobdir.log.format import ENTRY, Stream
from mcp_background_job.runner.log.ledger import Ledger, Mark
from mcp_background_job.runner.log.output import Log
from mcp_background_job.runner.system import punch_hole


def refuse(descriptor: int, start: int, end: int) -> None:
    """Be a file system that can punch no holes."""
    raise OSError(errno.EOPNOTSUPP, f"cannot free {start}-{end} of {descriptor}")


def pour(log: Log, data: bytes, stream: Stream = Stream.STDOUT) -> None:
    read, write = os.pipe()
    try:
        for begin in range(0, len(data), 30_000):
            part = data[begin : begin + 30_000]
            os.write(write, part)
            left = len(part)
            while left:
                left -= log.move(read, stream)
        log.settle()
    finally:
        os.close(read)
        os.close(write)


DATA = b"".join(b"%07d\n" % number for number in range(40_000))


@given(
    capacity=st.integers(1000, 10**6),
    moves=st.lists(st.tuples(st.integers(1, 10**6), st.booleans()), max_size=200),
)
def test_the_ledger_keeps_within_its_capacity_and_always_finds_room(
    capacity: int, moves: list[tuple[int, bool]]
) -> None:
    ledger = Ledger(capacity, capacity)
    now, kept = Mark(0, 32), Mark(0, 0)
    for wish, has_entry in moves:
        if ledger.room(now) < ledger.step:
            mark = ledger.oldest(now)
            assert mark is not None
            ledger.drop(mark)
            kept = mark
        room = ledger.room(now)
        assert room >= ledger.step
        now = Mark(now.offset + min(wish, ledger.step), now.entry + ENTRY.size * has_entry)
        ledger.passed(now)
        assert now.offset - kept.offset + now.entry - kept.entry <= capacity + ENTRY.size


def test_where_no_holes_can_be_punched_the_newest_part_is_copied_and_offsets_stay(job: JobDir) -> None:
    log = Log(job, 60_000, punch=refuse)
    original = os.open(job.log, os.O_RDONLY)
    pour(log, DATA)
    log.close()

    first, end = reader.extent(job)
    assert os.fstat(original).st_nlink == 0, "another file has taken its place"
    os.close(original)
    assert (first, end) == (log.dropped, len(DATA))
    assert 10_000 < end - first <= 40_000
    piece = reader.read(job, 0, 10**6)
    assert (piece.data, piece.gaps) == (DATA[first:], (Gap(0, 0, first, Why.DROPPED),))
    assert reader.read(job, 0, 10**6, Stream.STDOUT).data == DATA[first:]
    with open(job.log, "rb") as file:
        file.seek(first)
        assert file.read() == DATA[first:], "an offset is a place in the file"
    assert sorted(os.listdir(job.path)) == ["output.idx", "output.log"]


def test_where_not_even_a_copy_can_be_made_all_is_dropped_in_place(
    job: JobDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(job, 60_000, punch=refuse)
    rename = os.rename

    def fail(old: str, new: str) -> None:
        raise OSError(errno.EROFS, f"{old} to {new}")

    monkeypatch.setattr(os, "rename", fail)
    pour(log, DATA)
    monkeypatch.setattr(os, "rename", rename)
    log.close()

    first, end = reader.extent(job)
    assert (first, end, log.lost) == (log.dropped, len(DATA), 0)
    assert reader.read(job, 0, 10**6).data == DATA[first:]
    assert reader.read(job, 0, 10**6, Stream.STDOUT).data == DATA[first:]
    assert os.stat(job.log).st_blocks * 512 <= 60_000 + 8192
    assert sorted(os.listdir(job.path)) == ["output.idx", "output.log"]


def test_a_hole_that_cannot_be_punched_all_at_once_drops_all_and_counts_it(job: JobDir) -> None:
    calls = 0

    def tire(descriptor: int, start: int, end: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise OSError(errno.EIO, "broken")
        punch_hole(descriptor, start, end)

    log = Log(job, 60_000, punch=tire)
    pour(log, DATA)
    log.close()

    first, _ = reader.extent(job)
    assert first == log.dropped
    assert reader.read(job, 0, 10**6).data == DATA[first:]


def test_a_reader_is_told_what_is_dropped_before_it_is_a_hole(job: JobDir) -> None:
    seen: list[int] = []

    def look(descriptor: int, start: int, end: int) -> None:
        first, _ = reader.extent(job)
        if start == 0:
            assert first >= end
            seen.append(first)
        punch_hole(descriptor, start, end)

    log = Log(job, 60_000, punch=look)
    pour(log, DATA)
    log.close()
    assert seen == sorted(set(seen))
    assert seen


def test_a_job_that_writes_byte_by_byte_does_not_fill_the_disk_with_entries(job: JobDir) -> None:
    log = Log(job, 10**9)
    read, write = os.pipe()
    for _ in range(3000):
        os.write(write, b"x")
        log.move(read, Stream.STDOUT)
        log.settle()
    log.close()
    os.close(read)
    os.close(write)

    entries = reader.entries(job, 0)
    assert sum(entry.length for entry in entries) == 3000
    assert len(entries) < 1500
    assert reader.read(job, 0, 10**4, Stream.STDOUT).data == b"x" * 3000


def test_streams_that_alternate_keep_an_entry_for_each_change(job: JobDir) -> None:
    log = Log(job, 10**6)
    for number in range(50):
        pour(log, b"%d\n" % number, Stream(1 + number % 2))
    log.close()

    assert len(reader.entries(job, 0)) == 50
    assert reader.read(job, 0, 10**4, Stream.STDERR).data == b"".join(b"%d\n" % n for n in range(1, 50, 2))
