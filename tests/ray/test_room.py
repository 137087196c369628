"""A copy of a log takes no more room than twice what is kept of the log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcp_background_job.executors.ray import room
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.format import ENTRY, HEADER, MAGIC, Stream

_PIECE = 64 * 1024


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobDir:
    """A job whose log has 64 pieces, and as many index entries for each."""
    monkeypatch.setattr(room, "SLACK", 0)
    job = JobDir(str(tmp_path / "jobs" / "j1"))
    os.makedirs(job.path)
    Path(job.log).write_bytes(b"".join(bytes([number]) * _PIECE for number in range(64)))
    entries = [ENTRY.pack(number * 16, 5.0, 16, Stream.STDOUT) for number in range(64 * _PIECE // 16)]
    Path(job.index).write_bytes(HEADER.pack(MAGIC, 0, 0) + b"".join(entries))
    return job


def used(path: str) -> int:
    return os.stat(path).st_blocks * 512


@pytest.mark.parametrize("kept", [1, 7, 30])
def test_what_was_dropped_is_given_back_and_offsets_stay(job: JobDir, kept: int) -> None:
    log, index = Path(job.log).read_bytes(), Path(job.index).read_bytes()
    kept_from = (64 - kept) * _PIECE
    room.give_back(job, kept_from)
    assert used(job.log) <= (kept + 1) * _PIECE
    assert used(job.index) < len(index)
    assert (os.path.getsize(job.log), os.path.getsize(job.index)) == (len(log), len(index))
    assert Path(job.log).read_bytes()[kept_from:] == log[kept_from:]
    first = HEADER.size + kept_from // 16 * ENTRY.size
    assert Path(job.index).read_bytes()[first:] == index[first:]
    assert Path(job.index).read_bytes()[: HEADER.size] == index[: HEADER.size]
    assert os.stat(job.log).st_mode & 0o777 == 0o600


def test_what_is_not_worth_it_is_not_copied(job: JobDir, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.stat(job.log).st_ino
    room.give_back(job, 20 * _PIECE)  # less than half
    assert os.stat(job.log).st_ino == before
    monkeypatch.setattr(room, "SLACK", 64 * _PIECE)
    room.give_back(job, 63 * _PIECE)
    assert os.stat(job.log).st_ino == before
