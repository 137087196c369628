"""Writer, retention and readers at the same time: no reader ever sees a wrong byte, and each is told what it missed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mcp_background_job.core.output.gaps import Why
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.log import reader
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.runner.log.output import Log
from mcp_background_job.runner.log.retention import Punch
from mcp_background_job.runner.system import punch_hole
from tests.live_files import bytes_on_disk

_STREAMS = (Stream.STDOUT, Stream.STDERR)
_NIGHT_S = 600.0

#: First and last blocks of two files and of their copies, and the block of the index that holds its header.
_EDGES = 8 * 4096


def content(start: int, end: int) -> bytes:
    """What stands between two offsets: the number of each line of eight bytes."""
    lines = b"".join(b"%07d\n" % (number % 10_000_000) for number in range(start // 8, end // 8 + 1))
    return lines[start % 8 : start % 8 + end - start]


def refuse(descriptor: int, start: int, end: int) -> None:
    """Be a file system that can punch no holes."""
    raise OSError(errno.EOPNOTSUPP, f"cannot free {start}-{end} of {descriptor}")


@pytest.fixture(params=["disk", "memory"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """A directory on the file system that tests run on, and one on a tmpfs."""
    if request.param == "disk":
        yield str(tmp_path)
        return
    if not os.path.isdir("/dev/shm"):
        pytest.skip("there is no tmpfs at /dev/shm")
    made = tempfile.mkdtemp(dir="/dev/shm")
    try:
        yield made
    finally:
        shutil.rmtree(made)


@dataclass
class Race:
    """One writer and several readers of one log."""

    job: JobDir
    max_bytes: int
    punch: Punch
    seed: int
    trouble: list[str] = field(default_factory=list[str])
    over: threading.Event = field(default_factory=threading.Event)
    end: int = 0
    most_on_disk: int = 0
    opened: threading.Event = field(default_factory=threading.Event)

    def run(self, has_time: Callable[[int], bool]) -> None:
        work = [lambda: self._write(has_time), self._read_on, self._read_anywhere, self._read_parts]
        work += [lambda stream=stream: self._read_on(stream) for stream in _STREAMS]
        threads = [threading.Thread(target=self._guarded, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.trouble == []

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  shown by the test
            self.trouble.append(repr(error))
        finally:
            if not self.opened.is_set():
                self.opened.set()
            if self.trouble:
                self.over.set()

    def _write(self, has_time: Callable[[int], bool]) -> None:
        chance = random.Random(self.seed)  # noqa: S311  repeats, and keeps no secret
        log = Log(self.job, self.max_bytes, punch=self.punch)
        self.opened.set()
        pipes = {stream: os.pipe() for stream in _STREAMS}
        try:
            while has_time(log.end) and not self.over.is_set():
                stream = chance.choice(_STREAMS)
                count = chance.choice([1, 7, 100, 4096, 30_000, 60_000])
                read, write = pipes[stream]
                os.write(write, content(log.end, log.end + count))
                while count:
                    count -= log.move(read, stream)
                    self._measure()
                log.settle()
                if chance.random() < 0.01:
                    self.over.wait(0.002)
        finally:
            log.close()
            self.end = log.end
            self.over.set()
            for pipe in pipes.values():
                for descriptor in pipe:
                    os.close(descriptor)
        assert log.lost == 0

    def _measure(self) -> None:
        self.most_on_disk = max(self.most_on_disk, bytes_on_disk(Path(self.job.path)))

    def _read_on(self, stream: Stream | None = None) -> None:
        chance = random.Random(self.seed + 1)  # noqa: S311  repeats, and keeps no secret
        self.opened.wait()
        cursor = seen = dropped = 0
        while True:
            last_look = self.over.is_set()
            piece = reader.read(self.job, cursor, chance.choice([1, 64, 5000, 200_000]), stream)
            dropped += sum(gap.count for gap in piece.gaps)
            assert all(gap.why is Why.DROPPED for gap in piece.gaps)
            assert piece.next >= cursor
            if stream is None:
                assert piece.data == content(piece.start, piece.next), f"wrong bytes at {piece.start}"
                seen += len(piece.data)
            else:
                assert b"\0" not in piece.data, f"a hole was taken for output at {piece.start}"
            cursor = piece.next
            if last_look and cursor == piece.end:
                break
        assert cursor == self.end or self.trouble
        assert stream is not None or seen + dropped == cursor

    def _read_anywhere(self) -> None:
        chance = random.Random(self.seed + 2)  # noqa: S311  repeats, and keeps no secret
        self.opened.wait()
        while not self.over.is_set():
            first, end = reader.extent(self.job)
            asked = chance.randint(max(0, first - 1000), end)
            piece = reader.read(self.job, asked, 100_000)
            assert piece.data == content(piece.start, piece.next), f"wrong bytes at {piece.start}"
            tail = reader.read_tail(self.job, 50_000)
            assert tail.data == content(tail.start, tail.next), f"wrong bytes in the tail at {tail.start}"

    def _read_parts(self) -> None:
        self.opened.wait()
        cursor = 0
        while not self.over.is_set():
            found = reader.read_parts(self.job, cursor, 300_000, Stream.STDERR)
            for part in found.parts:
                expected = content(part.offset, part.offset + len(part.data))
                assert part.data == expected, f"wrong bytes at {part.offset}"
            assert found.next >= cursor
            cursor = found.next


@pytest.mark.parametrize("punch", [punch_hole, refuse])
@pytest.mark.parametrize("max_bytes", [60_000, 2_000_000])
def test_no_reader_sees_a_wrong_byte_while_the_oldest_are_freed(directory: str, max_bytes: int, punch: Punch) -> None:
    job = StateDir(directory).job("j4k2")
    os.makedirs(job.path)
    race = Race(job, max_bytes, punch, seed=time.time_ns())

    race.run(lambda end: end < 3 * max_bytes)

    assert race.most_on_disk <= max_bytes + _EDGES, f"seed {race.seed}"
    first, end = reader.extent(job)
    assert end == race.end
    assert max_bytes / 4 < end - first < max_bytes


@pytest.mark.nightly
@pytest.mark.timeout(2 * _NIGHT_S)
def test_no_reader_sees_a_wrong_byte_for_ten_minutes(directory: str) -> None:
    until = time.monotonic() + _NIGHT_S
    turn = 0
    while time.monotonic() < until:
        job = StateDir(directory).job(f"j{turn:04d}")
        os.makedirs(job.path)
        race = Race(job, [60_000, 500_000, 5_000_000][turn % 3], refuse if turn % 4 == 3 else punch_hole, seed=turn)
        race.run(lambda end, share=race.max_bytes: end < 30 * share and time.monotonic() < until)
        assert race.most_on_disk <= race.max_bytes + _EDGES, f"turn {turn}"
        shutil.rmtree(job.path)
        turn += 1
