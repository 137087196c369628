"""What a look at a run reads of its job's log: real files, written as a runner writes them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.adapters.command import ADAPTER as COMMAND
from mcp_background_job.agents.events import reader
from mcp_background_job.agents.events.reader import Known, bring_up_to_date
from mcp_background_job.executors.local.place import LocalPlace
from mcp_background_job.executors.names import FileNames
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.log.format import ENTRY, HEADER, MAGIC, Stream
from mcp_background_job.jobdir.records import Exit
from tests.agents.runs.records import RECORD


class Logged:
    """A run whose job's log is written here, entry by entry."""

    def __init__(self, directory: Path) -> None:
        state = StateDir(str(directory))
        self.places = Places([LocalPlace(state)], FileNames(state.names_lock))
        self.places.prepare()
        self.job = state.job(RECORD.job_id)
        self.run = state.run(RECORD.run_id)
        os.mkdir(self.job.path)
        os.makedirs(self.run.path)
        self.end = 0
        records.touch(self.job.spec)
        records.touch(self.job.log)
        Path(self.job.index).write_bytes(HEADER.pack(MAGIC, 0, 0))

    def write(self, data: bytes, stream: Stream = Stream.STDOUT, *, at: float = 2.0, indexed: bool = True) -> None:
        with open(self.job.log, "ab") as log:
            log.write(data)
        if indexed:
            self.entry(len(data), stream, at=at)

    def entry(self, length: int, stream: Stream, *, at: float = 2.0) -> None:
        with open(self.job.index, "ab") as index:
            index.write(ENTRY.pack(self.end, at, length, stream))
        if stream is not Stream.LOST:
            self.end += length

    def exit(self, **values: Any) -> None:
        end = Exit(outcome="completed", exit_code=0, started_at=1.5, ended_at=9.0, **values)
        records.write(self.job.exit, records.encode(end))

    def look(self) -> Known:
        known = bring_up_to_date(self.places, self.run, RECORD, COMMAND)
        assert known, "nobody else reads"
        return known

    def events(self) -> list[dict[str, Any]]:
        with open(self.run.events, "rb") as file:
            return [json.loads(line) for line in file]

    def texts(self) -> list[str]:
        return [event["data"]["text"] for event in self.events() if "text" in event["data"]]


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    return Logged(tmp_path / "state")


def test_stderr_is_no_part_of_the_stream_wherever_it_comes(logged: Logged) -> None:
    logged.write(b"one\ntw")
    logged.look()
    logged.write(b"warning\n", Stream.STDERR)
    logged.look()
    logged.write(b"o\n", at=5.0)
    logged.look()

    assert logged.texts() == ["one", "two"]
    assert logged.events()[-1]["ts"] == "1970-01-01T00:00:05.000Z"


def test_bytes_whose_entry_is_yet_to_come_are_not_passed_over(logged: Logged) -> None:
    logged.write(b"one\n")
    logged.write(b"two\n", indexed=False)

    early = logged.look()
    logged.entry(4, Stream.STDOUT)
    later = logged.look()

    assert (early.is_unsettled, later.is_unsettled) == (True, False)
    assert logged.texts() == ["one", "two"]


def test_a_line_without_an_end_is_told_when_the_run_is_over(logged: Logged) -> None:
    logged.write(b"one\nlast words")
    assert logged.look().state.seq == 2
    logged.exit()

    state = logged.look().state

    assert logged.texts() == ["one", "last words"]
    assert state.is_over
    assert logged.events()[-1]["data"]["final_response"] == "one\nlast words"


def test_what_retention_has_dropped_is_counted(logged: Logged) -> None:
    logged.write(b"one\n" * 10)
    logged.end = 5000
    Path(logged.job.log).write_bytes(bytes(5000) + b"of a line\nfive\n")
    Path(logged.job.index).write_bytes(HEADER.pack(MAGIC, 0, 5000) + ENTRY.pack(5000, 3.0, 15, Stream.STDOUT))

    logged.look()

    told, five = [event["data"] for event in logged.events() if event["seq"] > 1]
    assert (told["dropped_bytes"], told["warning"]) == (5009, True)
    assert five["text"] == "five"


def test_what_could_not_be_stored_breaks_the_line_that_it_was_in_and_is_counted(logged: Logged) -> None:
    logged.write(b"one\nbro")
    logged.look()
    logged.entry(100, Stream.LOST)
    logged.look()
    logged.write(b"ken\ntwo\n")
    logged.exit(lost_bytes=100)

    logged.look()

    told = [event["data"] for event in logged.events()]
    assert [data["dropped_bytes"] for data in told if "dropped_bytes" in data] == [106]
    assert told[-1]["lost_bytes"] == 100
    assert [text for text in logged.texts() if "dropped" not in text] == ["one", "two"]


def test_a_long_log_is_read_in_several_looks_and_ends_once(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_VISIT_S", 0.0)
    monkeypatch.setattr(reader, "_PIECE", 64)
    for number in range(100):
        logged.write(b"word %d\n" % number)
    logged.exit()

    looks = 1
    while logged.look().is_behind:
        looks += 1

    assert looks > 5
    assert logged.texts() == [f"word {number}" for number in range(100)]
    assert [event["seq"] for event in logged.events()] == list(range(1, len(logged.events()) + 1))
    assert logged.events()[-1]["type"] == "run_completed"
    before = logged.events()
    logged.look()
    assert logged.events() == before


def test_what_is_written_to_stderr_now_and_then_is_told_in_its_place(logged: Logged) -> None:
    logged.write(b"one\ntw")
    logged.write(b"Attempt 1 failed with status 429\n", Stream.STDERR, at=3.0)
    logged.look()
    logged.write(b"Attempt 2 failed\n", Stream.STDERR, at=4.0)
    logged.write(b"o\n", at=5.0)
    logged.look()
    logged.write(b"Attempt 3 failed\n", Stream.STDERR, at=13.0)
    logged.look()
    assert logged.texts() == ["one", "Attempt 1 failed with status 429", "two", "Attempt 3 failed"]
