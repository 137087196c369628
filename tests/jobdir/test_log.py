"""The log, written by the runner's writer and read by the server's reader: real files, real pipes."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_background_job.core.output.gaps import Gap, Why
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.log import reader
from mcp_background_job.jobdir.log.files import LogFiles
from mcp_background_job.jobdir.log.format import ENTRY, HEADER, MAGIC, Stream
from mcp_background_job.runner.log.output import Log
from tests.patience import PATIENCE_S

EVERYTHING = 2**40
STREAMS = (Stream.STDOUT, Stream.STDERR)


@dataclass
class Writer:
    """A log with the two pipes that fill it, and all that ever went in."""

    job: JobDir
    max_bytes: int
    can_splice: bool = True
    data: bytearray = field(default_factory=bytearray)
    stream_of_byte: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.log = Log(self.job, self.max_bytes)
        if not self.can_splice:
            self.log._can_splice = False
        self._pipes = {stream: os.pipe() for stream in STREAMS}
        for read, _ in self._pipes.values():
            os.set_blocking(read, False)

    def write(self, stream: Stream, data: bytes) -> None:
        """Have the job write at most a pipe full, and the runner move it."""
        read, write = self._pipes[stream]
        assert os.write(write, data) == len(data)
        with contextlib.suppress(BlockingIOError):
            while self.log.move(read, stream):
                pass
        self.log.settle()
        self.data += data
        self.stream_of_byte += bytes([stream]) * len(data)

    def of_stream(self, stream: Stream, start: int) -> bytes:
        return bytes(
            byte for byte, of in zip(self.data[start:], self.stream_of_byte[start:], strict=True) if of == stream
        )

    def close(self) -> None:
        self.log.close()
        for pipe in self._pipes.values():
            for end in pipe:
                os.close(end)


@contextlib.contextmanager
def writing(job: JobDir, max_bytes: int, *, can_splice: bool = True) -> Generator[Writer]:
    writer = Writer(job, max_bytes, can_splice)
    try:
        yield writer
    finally:
        writer.close()


def walked(job: JobDir, page: int, stream: Stream | None = None) -> bytes:
    """All that a reader gets who reads on from where it was told to."""
    parts: list[bytes] = []
    cursor = 0
    while True:
        piece = reader.read(job, cursor, page, stream)
        assert len(piece.data) <= page
        assert piece.start >= cursor
        if piece.next == piece.end:
            return b"".join([*parts, piece.data])
        assert piece.next > cursor, "a reader that does not get further never ends"
        parts.append(piece.data)
        cursor = piece.next


def disk_use(job: JobDir) -> int:
    """What log and index have of the disk, copies of them that are being made included."""
    return sum(os.stat(entry).st_blocks * 512 for entry in os.scandir(job.path) if entry.name.startswith("output."))


#: Bytes at which a file's first and last block are cut, and the block of the index that holds its header.
_EDGES = 6 * 4096


def _some_bytes(count: int) -> bytes:
    return (b"%d," % count * 1500)[:count]


CHUNKS = st.lists(
    st.tuples(
        st.sampled_from(STREAMS),
        st.one_of(st.binary(min_size=1, max_size=40), st.integers(1, 3000).map(_some_bytes)),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def module_directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("logs"))


@contextlib.contextmanager
def fresh_job(directory: str) -> Generator[JobDir]:
    """A job directory for one of many examples."""
    job = StateDir(directory).job("j4k2")
    os.makedirs(job.path)
    try:
        yield job
    finally:
        shutil.rmtree(job.path)


@given(
    chunks=CHUNKS,
    max_bytes=st.sampled_from([600, 4096, 20_000, 10**9]),
    page=st.integers(min_value=1, max_value=5000),
    can_splice=st.booleans(),
)
@example(chunks=[], max_bytes=4096, page=1, can_splice=True)
def test_the_log_is_the_newest_part_of_what_was_written_however_it_is_read(
    module_directory: str, chunks: list[tuple[Stream, bytes]], max_bytes: int, page: int, *, can_splice: bool
) -> None:
    with fresh_job(module_directory) as job, writing(job, max_bytes, can_splice=can_splice) as writer:
        for stream, data in chunks:
            writer.write(stream, data)
            assert disk_use(job) <= max_bytes + _EDGES, "disk use is bounded at every moment"
        first, end = reader.extent(job)
        kept = bytes(writer.data[first:])

        assert end == writer.log.end == len(writer.data)
        assert first == writer.log.dropped
        assert writer.log.lost == 0
        dropped = (Gap(0, 0, first, Why.DROPPED),) if first else ()
        assert reader.read(job, 0, EVERYTHING) == reader.Piece(kept, first, end, first, end, dropped)
        assert walked(job, page) == kept
        tail = reader.read_tail(job, page)
        assert tail.data == kept[-page:]
        assert (tail.start, tail.next) == (end - len(tail.data), end)
        for stream in STREAMS:
            expected = writer.of_stream(stream, first)
            assert walked(job, page, stream) == expected
            assert reader.read_tail(job, page, stream).data == expected[-page:]
            assert reader.read_tail(job, EVERYTHING, stream).data == expected
        if max_bytes == 10**9:
            assert first == 0


@given(chunks=CHUNKS, max_bytes=st.sampled_from([600, 4096]), offset=st.integers(0, 60_000), limit=st.integers(0, 3000))
def test_an_offset_means_the_same_byte_for_ever(
    module_directory: str, chunks: list[tuple[Stream, bytes]], max_bytes: int, offset: int, limit: int
) -> None:
    with fresh_job(module_directory) as job, writing(job, max_bytes) as writer:
        for stream, data in chunks:
            writer.write(stream, data)
            piece = reader.read(job, offset, limit)
            assert piece.first <= piece.start <= piece.end
            assert piece.start == min(max(offset, piece.first), piece.end), (
                "what is dropped shows in where reading began"
            )
            assert piece.data == writer.data[piece.start : piece.start + limit]
            assert piece.next == piece.start + len(piece.data)


def test_the_log_of_a_job_that_does_not_exist_is_empty(state: StateDir) -> None:
    job = state.job("jgone")

    assert reader.extent(job) == (0, 0)
    assert reader.read(job, 10, 10) == reader.Piece(b"", 0, 0, 0, 0)
    assert reader.read_tail(job, 10).data == b""
    assert reader.offset_at(job, 0) == 0
    assert reader.entries(job, 0) == []


def test_the_log_of_a_job_that_was_not_started_is_empty(job: JobDir) -> None:
    assert reader.read(job, 0, 10) == reader.Piece(b"", 0, 0, 0, 0)


def test_the_end_of_a_pipe_is_told_as_no_bytes(job: JobDir) -> None:
    log = Log(job, 4096)
    read, write = os.pipe()
    os.close(write)
    try:
        assert log.move(read, Stream.STDOUT) == 0
    finally:
        os.close(read)
        log.close()
    assert reader.entries(job, 0) == []


@pytest.mark.parametrize("can_splice", [True, False])
def test_an_empty_pipe_blocks_nobody(job: JobDir, can_splice: bool) -> None:  # noqa: FBT001  a parameter of the test
    log = Log(job, 4096)
    log._can_splice = can_splice
    read, write = os.pipe()
    os.set_blocking(read, False)
    try:
        with pytest.raises(BlockingIOError):
            log.move(read, Stream.STDOUT)
    finally:
        os.close(read)
        os.close(write)
        log.close()


def test_the_output_of_a_terminal_is_moved_too(job: JobDir) -> None:
    log = Log(job, 4096)
    leader, follower = os.openpty()
    try:
        os.write(follower, b"hello")
        assert log.move(leader, Stream.STDOUT) == 5
        os.close(follower)
        with pytest.raises(OSError, match="Input/output error"):
            log.move(leader, Stream.STDOUT)
    finally:
        os.close(leader)
        log.close()
    assert reader.read(job, 0, 10).data == b"hello"


def test_a_log_is_never_begun_over_another(job: JobDir) -> None:
    Log(job, 4096).close()

    with pytest.raises(FileExistsError):
        Log(job, 4096)


def test_the_log_is_private(job: JobDir) -> None:
    Log(job, 4096).close()

    assert os.stat(job.log).st_mode & 0o077 == 0
    assert os.stat(job.index).st_mode & 0o077 == 0


# -- the index ---------------------------------------------------------------------------------------------------------


def log_of(job: JobDir, *chunks: tuple[int, float, bytes | int], start: int = 0) -> None:
    """Make a log by hand, of chunks: stream, time, and bytes or how many were lost."""
    data = b""
    index = HEADER.pack(MAGIC, start, 0)
    for stream, at, content in chunks:
        length = content if isinstance(content, int) else len(content)
        index += ENTRY.pack(start + len(data), at, length, stream)
        data += b"" if isinstance(content, int) else content
    for path, content in ((job.log, data), (job.index, index)):
        with open(path, "wb") as file:
            file.write(content)


def test_the_index_says_when_each_chunk_was_written_on_which_stream(job: JobDir) -> None:
    before = time.time()
    with writing(job, 10**6) as writer:
        writer.write(Stream.STDOUT, b"out")
        writer.write(Stream.STDERR, b"error")
    entries = reader.entries(job, 0)

    assert [(entry.offset, entry.length, entry.stream, entry.end) for entry in entries] == [
        (0, 3, Stream.STDOUT, 3),
        (3, 5, Stream.STDERR, 8),
    ]
    assert before <= entries[0].at <= entries[1].at <= time.time()
    assert [entry.offset for entry in reader.entries(job, 3)] == [3]
    assert reader.entries(job, 8) == []


@given(
    steps=st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.5]), st.integers(1, 30)), max_size=30),
    moment=st.floats(min_value=95.0, max_value=150.0),
    segments=st.integers(min_value=1, max_value=4),
)
def test_a_moment_leads_to_the_first_byte_written_then(
    module_directory: str, steps: list[tuple[float, int]], moment: float, segments: int
) -> None:
    with fresh_job(module_directory) as job:
        at, offset = 100.0, 0
        expected: int | None = None
        per_segment = max(1, len(steps) // segments)
        batches = [steps[begin : begin + per_segment] for begin in range(0, len(steps), per_segment)] or [[]]
        for number, batch in enumerate(batches):
            chunks: list[tuple[int, float, bytes | int]] = []
            start = offset
            for pause, length in batch:
                at += pause
                if at >= moment and expected is None:
                    expected = offset
                chunks.append((Stream.STDOUT, at, b"x" * length))
                offset += length
            log_of(job, *chunks, start=start)
            if number < len(batches) - 1:
                os.rename(job.log, f"{job.log}.{start:020d}")
                os.rename(job.index, f"{job.index}.{start:020d}")

        assert reader.offset_at(job, moment) == (offset if expected is None else expected)


def test_a_loss_has_no_bytes_and_no_place_in_the_log(job: JobDir) -> None:
    log_of(job, (1, 1.0, b"before"), (3, 2.0, 1_000_000), (1, 3.0, b"after"))

    assert reader.read(job, 0, 100).data == b"beforeafter"
    assert reader.read(job, 0, 100, Stream.STDOUT).data == b"beforeafter"
    assert reader.read_tail(job, 5, Stream.STDOUT).data == b"after"
    assert [(entry.stream, entry.length) for entry in reader.entries(job, 6)] == [
        (Stream.LOST, 1_000_000),
        (Stream.STDOUT, 5),
    ]


def test_reading_one_stream_behind_a_loss_gives_what_was_asked_for(job: JobDir) -> None:
    log_of(job, (1, 1.0, b"a" * 100), (3, 2.0, 1_000_000), *[(1, 3.0, b"b" * 100)] * 5)

    piece = reader.read(job, 350, 10, Stream.STDOUT)

    assert (piece.data, piece.start, piece.next) == (b"b" * 10, 350, 360)
    assert walked(job, 7, Stream.STDOUT) == b"a" * 100 + b"b" * 500
    assert [entry.offset for entry in reader.entries(job, 350)] == [300, 400, 500]


def test_entries_of_a_newer_release_are_passed_over(job: JobDir) -> None:
    log_of(job, (1, 1.0, b"a" * 10), *[(9, 2.0, b"?" * 10)] * 5, (1, 3.0, b"b" * 10))

    assert reader.read(job, 0, 1000).data == b"a" * 10 + b"?" * 50 + b"b" * 10
    assert walked(job, 3, Stream.STDOUT) == b"a" * 10 + b"b" * 10
    assert reader.read(job, 55, 2, Stream.STDOUT).data == b"bb"
    assert reader.offset_at(job, 2.5) == 60


@pytest.mark.parametrize("cut", range(1, ENTRY.size))
def test_an_entry_that_is_half_written_is_not_yet_there(job: JobDir, cut: int) -> None:
    log_of(job, (1, 1.0, b"one"), (1, 2.0, b"two"))
    os.truncate(job.index, HEADER.size + 2 * ENTRY.size - cut)

    assert reader.read(job, 0, 100).data == b"onetwo"
    assert reader.read(job, 0, 100, Stream.STDOUT) == reader.Piece(b"one", 0, 3, 0, 6)
    assert len(reader.entries(job, 0)) == 1


def test_a_follower_of_one_stream_misses_no_byte_whose_entry_comes_later(job: JobDir) -> None:
    # The runner writes the bytes first and their entry next; a reader may come in between.
    log_of(job, (1, 1.0, b"one"), (1, 2.0, b"two"))
    os.truncate(job.index, HEADER.size + ENTRY.size)
    tail = reader.read_tail(job, 100, Stream.STDOUT)
    log_of(job, (1, 1.0, b"one"), (1, 2.0, b"two"))
    later = reader.read(job, tail.next, 100, Stream.STDOUT)

    assert tail.data + later.data == b"onetwo"


@pytest.mark.parametrize("index", [None, b"", b"\0" * 5, b"garbage!" * 3])
def test_a_log_without_a_usable_index_can_still_be_read(job: JobDir, index: bytes | None) -> None:
    log_of(job, (1, 1.0, b"all that was written"))
    os.unlink(job.index)
    if index is not None:
        with open(job.index, "wb") as file:
            file.write(index)

    assert reader.read(job, 0, 100).data == b"all that was written"
    assert reader.read_tail(job, 7).data == b"written"


def test_an_entry_that_grows_while_its_place_is_looked_up_is_read_whole(
    job: JobDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_of(job, (1, 1.0, b"one"))
    look_up = LogFiles._number_at

    def and_meanwhile_it_grows(files: LogFiles, offset: int) -> int:
        number = look_up(files, offset)
        log_of(job, (1, 1.0, b"onetwo"), (2, 2.0, b"other"), (1, 2.0, b"three"))
        return number

    monkeypatch.setattr(LogFiles, "_number_at", and_meanwhile_it_grows)
    parts = reader.read_parts(job, 3, 100, Stream.STDOUT)

    assert [(part.offset, part.data) for part in parts.parts] == [(3, b"two"), (11, b"three")]


# -- while it is being written and dropped --------------------------------------------------------------------

CONTENT = b"".join(b"%07d\n" % number for number in range(40_000))


@pytest.mark.parametrize("stream", [None, Stream.STDOUT])
@pytest.mark.parametrize("max_bytes", [40_000, 400_000])
def test_a_reader_racing_the_writer_sees_every_byte_once_or_is_told_what_was_dropped(
    job: JobDir, max_bytes: int, stream: Stream | None
) -> None:
    over = threading.Event()
    trouble: list[BaseException] = []

    def write_all() -> None:
        try:
            with writing(job, max_bytes) as writer:
                for begin in range(0, len(CONTENT), 200):
                    writer.write(Stream.STDOUT, CONTENT[begin : begin + 200])
        except BaseException as error:  # noqa: BLE001  shown by the test
            trouble.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=write_all)
    thread.start()
    cursor = 0
    dropped = 0
    seen = 0
    limits = [64, 1000, 333, 20_000]
    turn = 0
    try:
        while True:
            last_look = over.is_set()
            piece = reader.read(job, cursor, limits[turn % len(limits)], stream)
            assert piece.start >= cursor
            assert piece.data == CONTENT[piece.start : piece.next], "bytes of another place"
            dropped += piece.start - cursor
            seen += len(piece.data)
            cursor = piece.next
            turn += 1
            if last_look and piece.next == piece.end:
                break
    finally:
        thread.join(PATIENCE_S)
    assert trouble == []
    assert cursor == len(CONTENT)
    assert seen + dropped == len(CONTENT)


def test_reading_leaves_no_descriptor_open(job: JobDir) -> None:
    with writing(job, 4096) as writer:
        for _ in range(10):
            writer.write(Stream.STDERR, b"x" * 1000)
        before = len(os.listdir("/dev/fd"))
        for _ in range(5):
            reader.read(job, 0, 100)
            reader.read(job, 0, 100, Stream.STDERR)
            reader.read_tail(job, 100)
            reader.offset_at(job, 0)
        assert len(os.listdir("/dev/fd")) == before
