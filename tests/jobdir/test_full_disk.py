"""A disk with no room left, or no files left: a small one, really full."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_background_job.core.states import Outcome
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log import reader
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.records import Exit, StopRequest
from mcp_background_job.runner.exit_record import MAX_REASON, ExitRecord
from mcp_background_job.runner.log.output import Log

SmallDisk = Callable[..., JobDir]


def fill(job: JobDir) -> Path:
    """Take all room that is left on the disk; returns the file that has it."""
    ballast = Path(job.path) / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while os.write(descriptor, b"\0" * size):
                    pass
    finally:
        os.close(descriptor)
    return ballast


def pour(log: Log, data: bytes) -> None:
    """Have a job write to its stdout, and the runner move it, pipe by pipe."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    try:
        for begin in range(0, len(data), 16_384):
            part = data[begin : begin + 16_384]
            assert os.write(write, part) == len(part)
            with contextlib.suppress(BlockingIOError):
                while log.move(read, Stream.STDOUT):
                    pass
    finally:
        os.close(read)
        os.close(write)


def test_what_a_full_disk_cannot_take_is_counted_and_writing_resumes_when_there_is_room(small_disk: SmallDisk) -> None:
    job = small_disk(kilobytes=512)
    log = Log(job, 10**9)
    before, during, after = b"before\n" * 100, b"during\n" * 40_000, b"after\n" * 100
    pour(log, before)
    ballast = fill(job)
    pour(log, during)
    stored = log.end
    assert log.lost > 0
    assert stored + log.lost == len(before) + len(during), "the job never stalls, and every byte is accounted for"

    ballast.unlink()
    pour(log, after)
    log.close()

    assert log.end == stored + len(after)
    assert reader.read(job, 0, 10**6).data == (before + during)[:stored] + after
    assert walked_stdout(job) == (before + during)[:stored] + after
    losses = [entry for entry in reader.entries(job, 0) if entry.stream is Stream.LOST]
    assert [(entry.offset, entry.length) for entry in losses] == [(stored, log.lost)], "the loss has one entry"


def walked_stdout(job: JobDir) -> bytes:
    """The output as one reads it who asks for stdout and reads on from where it was told to."""
    parts: list[bytes] = []
    cursor = 0
    while True:
        piece = reader.read(job, cursor, 1000, Stream.STDOUT)
        assert len(piece.data) <= 1000
        parts.append(piece.data)
        if piece.next == piece.end:
            return b"".join(parts)
        assert piece.next > cursor
        cursor = piece.next


@pytest.mark.parametrize("files", [0, 5, 7])
def test_a_log_that_cannot_be_rotated_keeps_its_offsets_and_counts_what_it_drops(
    small_disk: SmallDisk, files: int
) -> None:
    # Of 5 files three are directories, so that there is room for one pair of log and index; of 7, for two.
    job = small_disk(kilobytes=64, files=files)
    log = Log(job, 40_000)
    data = b"".join(b"%07d\n" % number for number in range(20_000))
    held = fill(job) if not files else None
    pour(log, data)
    log.close()
    if held:
        held.unlink()

    first, end = reader.extent(job)
    assert end == log.end
    assert log.end + log.lost == len(data)
    assert first == log.dropped, "what is kept is the newest part, without a hole"
    piece = reader.read(job, first, 10**6)
    assert (piece.start, piece.next) == (first, end)
    if not log.lost:
        assert piece.data == data[first:]


def test_files_running_out_between_two_rotations_leave_no_hole_in_the_log(small_disk: SmallDisk) -> None:
    job = small_disk(kilobytes=1024, files=10)  # the mount, two directories, and three pairs of log and index
    log = Log(job, 40_000)
    data = b"".join(b"%07d\n" % number for number in range(20_000))
    pour(log, data)
    log.close()

    assert log.lost == 0, "there is room for the bytes, if not for more files"
    cursor = 0
    seen = b""
    while cursor < len(data):
        piece = reader.read(job, cursor, 3000)
        assert piece.data == data[piece.start : piece.next], "bytes of another place"
        assert piece.next > cursor, "a reader that does not get further never ends"
        seen += piece.data
        cursor = piece.next
    assert cursor == len(data)
    assert len(seen) + log.dropped == len(data)


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\u4e2d", "\U0001f600", "\0", '"'])
def test_how_a_job_ended_can_be_recorded_on_a_full_disk(small_disk: SmallDisk, letter: str) -> None:
    job = small_disk(kilobytes=64)
    place = ExitRecord(job)
    ballast = fill(job)
    # As long as a reason and a request to stop are let get.
    wish = StopRequest(at=1.0, by=letter * 200, why=letter * (MAX_REASON // 2), signal="SIGTERM", grace_s=5.0)
    record = Exit(
        outcome=Outcome.KILLED.value, ended_at=2.0, signal="SIGTERM", reason=letter * MAX_REASON, stop_requested=wish
    )

    assert place.publish(record)
    place.make_durable()
    place.give_back()

    assert records.read(Exit, job.exit) == record
    assert sorted(os.listdir(job.path)) == [ballast.name, "exit.json"]


def test_a_job_is_not_started_where_there_is_no_room_to_record_its_end(small_disk: SmallDisk) -> None:
    job = small_disk(kilobytes=64)
    ballast = fill(job)

    before = len(os.listdir("/dev/fd"))

    with pytest.raises(OSError, match="No space left"):
        ExitRecord(job)

    assert os.listdir(job.path) == [ballast.name], "what cannot be used is taken away again"
    assert len(os.listdir("/dev/fd")) == before


def test_room_that_was_set_aside_and_not_used_is_given_back(job: JobDir) -> None:
    place = ExitRecord(job)
    assert os.stat(f"{job.exit}.new").st_blocks > 0
    place.give_back()

    assert os.listdir(job.path) == []


def test_an_end_in_a_directory_that_is_gone_is_not_said_to_be_recorded(job: JobDir) -> None:
    place = ExitRecord(job)
    os.unlink(f"{job.exit}.new")
    os.rmdir(job.path)

    assert not place.publish(Exit(outcome=Outcome.COMPLETED.value, ended_at=1.0))
    place.make_durable()
    place.give_back()


def test_a_status_that_does_not_fit_leaves_the_old_one_and_no_temporary_file(small_disk: SmallDisk) -> None:
    job = small_disk(kilobytes=64)
    records.write(job.status, b"old")
    ballast = fill(job)

    with pytest.raises(OSError, match="No space left"):
        records.write(job.status, b"new" * 5000)

    assert Path(job.status).read_bytes() == b"old"
    assert sorted(os.listdir(job.path)) == [ballast.name, "status.json"]
