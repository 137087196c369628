"""Logs of release 1.0.0, in segments: one that it has made, and one that is being written in its way."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from mcp_background_job.core.output.gaps import Gap, Why
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.log import reader, segments
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.segments import Segment, full_segments
from mcp_background_job.jobdir.records import Exit
from tests.conftest import PATIENCE_S
from tests.jobdir.old_writer import OldLog

_EVERYTHING = 2**40

#: The directory of a job that release 1.0.0 has run: 600 lines on stdout, every seventh with one on stderr behind it.
_KEPT = StateDir(str(Path(__file__).parent / "release_1_0_0")).job("jh5srv")

CONTENT = b"".join(b"%07d\n" % number for number in range(40_000))


def _all_that_it_wrote() -> bytes:
    lines = ""
    for number in range(600):
        lines += f"line {number} of the output of a job that release 1.0.0 ran\n"
        if number % 7 == 3:
            lines += f"error {number}\n"
    return lines.encode()


def test_a_log_of_release_1_0_0_is_read_as_it_was() -> None:
    written = _all_that_it_wrote()
    record = records.read(Exit, _KEPT.exit)
    assert record
    first = record.dropped_bytes

    assert reader.extent(_KEPT) == (first, record.output_bytes) == (17672, len(written))
    piece = reader.read(_KEPT, 0, _EVERYTHING)
    assert piece.data == written[first:]
    assert piece.gaps == (Gap(0, 0, first, Why.DROPPED),)
    assert reader.read(_KEPT, first + 5000, 4000).data == written[first + 5000 : first + 9000]
    assert reader.read_tail(_KEPT, 6000).data == written[-6000:]


def test_its_streams_and_times_are_known() -> None:
    written = _all_that_it_wrote()
    kept = written[17672:].split(b"\n")
    errors = reader.read(_KEPT, 0, _EVERYTHING, Stream.STDERR)

    assert errors.data.split(b"\n") == [line for line in kept if line.startswith(b"error") or not line]
    assert errors.gaps == (Gap(0, 0, 17672, Why.DROPPED),)
    assert reader.read_tail(_KEPT, 20, Stream.STDERR).data == b"error 591\nerror 598\n"
    entries = reader.entries(_KEPT, 0)
    assert entries[0].offset == 17672
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    third = next(entry for entry in entries if entry.offset > 30_000)
    assert reader.offset_at(_KEPT, third.at) == third.offset


@pytest.mark.parametrize("stream", [None, Stream.STDOUT])
@pytest.mark.parametrize("max_bytes", [40_000, 400_000])
def test_a_follower_of_its_log_sees_every_byte_once_or_is_told_what_was_dropped(
    job: JobDir, max_bytes: int, stream: Stream | None
) -> None:
    over = threading.Event()

    def write_all() -> None:
        log = OldLog(job, max_bytes)
        for begin in range(0, len(CONTENT), 200):
            log.write(Stream.STDOUT, CONTENT[begin : begin + 200], begin / 1000)
        log.close()
        over.set()

    thread = threading.Thread(target=write_all)
    thread.start()
    cursor = seen = dropped = turn = 0
    try:
        while True:
            last_look = over.is_set() or not thread.is_alive()
            piece = reader.read(job, cursor, [64, 1000, 333, 20_000][turn % 4], stream)
            assert piece.data == CONTENT[piece.start : piece.next], "bytes of another place"
            dropped += sum(gap.count for gap in piece.gaps)
            seen += len(piece.data)
            cursor = piece.next
            turn += 1
            if last_look and piece.next == piece.end:
                break
    finally:
        thread.join(PATIENCE_S)
    assert over.is_set()
    assert cursor == len(CONTENT)
    assert seen + dropped == len(CONTENT)


def test_a_reader_that_finds_no_quiet_moment_does_not_take_the_log_for_empty(
    job: JobDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = OldLog(job, 4096)

    def list_and_rotate(of: JobDir) -> list[Segment]:
        found = full_segments(of)
        log.write(Stream.STDOUT, b"x" * 1000, 1.0)
        return found

    for _ in range(6):
        log.write(Stream.STDOUT, b"x" * 1000, 1.0)
    monkeypatch.setattr(segments, "full_segments", list_and_rotate)
    piece = reader.read(job, 4000, 100)
    log.close()

    assert piece.end >= 5000
    assert piece.start >= 4000, "a reader that is sent back to the beginning reads everything twice"


def test_a_job_directory_that_is_removed_while_it_is_read_is_an_empty_log(
    job: JobDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = OldLog(job, 4000)
    for _ in range(3):
        log.write(Stream.STDOUT, b"x" * 1000, 1.0)
    log.close()
    listings = 0

    def list_and_remove(of: JobDir) -> list[Segment]:
        nonlocal listings
        listings += 1
        if listings == 2:
            shutil.rmtree(of.path)
        return full_segments(of)

    monkeypatch.setattr(segments, "full_segments", list_and_remove)

    assert reader.read(job, 0, 100).data == b""


def test_a_segment_that_is_dropped_while_it_is_opened_leaves_no_descriptor_behind(job: JobDir) -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(10):
        with ExitStack() as stack:
            assert segments.open_pair(stack, f"{job.log}.{7:020d}", f"{job.index}.{7:020d}", 7) is None
    assert len(os.listdir("/dev/fd")) == before


def test_files_that_somebody_put_beside_the_log_are_no_segments(job: JobDir) -> None:
    OldLog(job, 4000).close()
    for name in ("output.log.gz", "output.log.bak", "output.log.", "output.log.-1", "output.log.1x", "output.log.new"):
        with open(os.path.join(job.path, name), "wb") as file:
            file.write(b"stranger")

    assert full_segments(job) == []
    assert reader.read(job, 0, 100).data == b""
