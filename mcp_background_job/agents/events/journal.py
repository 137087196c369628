"""The events of a run on disk: appended by one writer at a time, read by anybody.

The writer holds the run's lock. It first appends events and then replaces the checkpoint. Events behind the length that
the checkpoint names are unfinished: the next writer makes them again from the same bytes of the log, with the same
numbers. Readers take no lock, and read up to that length.

An event's number is that of its line.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import OrderedDict
from typing import Any

from mcp_background_job.agents import records
from mcp_background_job.agents.events.projection import Entry
from mcp_background_job.agents.records import Checkpoint
from mcp_background_job.errors import CorruptRecordError, StateDirError
from mcp_background_job.jobdir.layout import RunDir
from mcp_background_job.jobdir.records import write_all

#: Bytes of events in one answer, beyond the first event: a model reads them.
MAX_PAGE = 96 * 1024

_BLOCK = 1024 * 1024

#: Offsets in event files that are remembered, so a poller's next page is found without reading the file again.
_MAX_PLACES = 512


def checkpoint(run: RunDir) -> Checkpoint:
    """Return how far the events are written.

    If that is unknown, or if the events file is shorter (after a power failure), the events are written anew from the
    log.
    """
    with contextlib.suppress(CorruptRecordError, FileNotFoundError):
        known = records.read(Checkpoint, run.checkpoint)
        if known and (known.events_bytes == 0 or os.stat(run.events).st_size >= known.events_bytes):
            return known
    return Checkpoint()


def commit(run: RunDir, length: int, entries: list[Entry], after: Checkpoint) -> None:
    """Append events behind ``length``, then replace the checkpoint. The caller holds the lock.

    Raises:
        StateDirError: they cannot be written.
    """
    try:
        for entry in entries:
            for artifact in entry.artifacts:
                _write_artifact(os.path.join(run.path, artifact.relpath), artifact.content)
        if entries:
            _append(run.events, length, b"".join(entry.line for entry in entries))
        records.store(run.checkpoint, after)
    except OSError as error:
        raise StateDirError(f"the events of run {run.run_id} cannot be written: {error.strerror}") from error


def _write_artifact(path: str, content: bytes) -> None:
    folder = os.path.dirname(path)
    for directory in (os.path.dirname(folder), folder):
        os.makedirs(directory, mode=0o700, exist_ok=True)  # the mode applies only to the last directory that it makes
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, content)
    finally:
        os.close(descriptor)


def _append(path: str, length: int, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, length)  # remove the unfinished events of a writer that died
        os.lseek(descriptor, length, os.SEEK_SET)
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


class EventReader:
    """Reads events, and remembers the offsets where the next pages begin."""

    def __init__(self) -> None:
        """Starts without remembered offsets."""
        self._places: OrderedDict[tuple[str, int], int] = OrderedDict()

    def page(self, run: RunDir, after_seq: int, limit: int, known: Checkpoint) -> list[dict[str, Any]]:
        """Return the events behind a number, as written: at most ``limit`` of them, and about ``MAX_PAGE`` bytes."""
        if after_seq >= known.seq:
            return []
        with open(run.events, "rb") as file:
            place = self._places.get((run.path, after_seq), 0) if after_seq else 0
            file.seek(place or _place_of(file.fileno(), after_seq))
            start = position = file.tell()
            events: list[dict[str, Any]] = []
            while len(events) < limit and position < known.events_bytes and position - start < MAX_PAGE:
                line = file.readline()
                events.append(json.loads(line))
                position += len(line)
        self._remember((run.path, after_seq + len(events)), position)
        return events

    def _remember(self, key: tuple[str, int], place: int) -> None:
        self._places[key] = place
        self._places.move_to_end(key)
        while len(self._places) > _MAX_PLACES:
            self._places.popitem(last=False)


def _place_of(descriptor: int, lines: int) -> int:
    """Return the offset behind so many lines."""
    position = 0
    while lines and (block := os.pread(descriptor, _BLOCK, position)):
        count = block.count(b"\n")
        if count < lines:
            lines -= count
            position += len(block)
            continue
        within = -1
        for _ in range(lines):
            within = block.index(b"\n", within + 1)
        return position + within + 1
    return position


def read_artifact(path: str, offset: int, limit: int) -> tuple[bytes, int]:
    """Return whole characters of an artifact from an offset on, and the offset where they begin.

    Both ends move to the next boundary of a character, so a reader that continues at the end misses nothing.
    """
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(limit + _LONGEST_CHARACTER)
    begin = _boundary(data, 0)
    end = _boundary(data, max(limit, begin + 1))
    return data[begin:end], offset + begin


#: Bytes of the longest character in UTF-8.
_LONGEST_CHARACTER = 4


def _boundary(data: bytes, position: int) -> int:
    while position < len(data) and data[position] & 0xC0 == 0x80:  # noqa: PLR2004  a byte within a character: RFC 3629
        position += 1
    return min(position, len(data))
