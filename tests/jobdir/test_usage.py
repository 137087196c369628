"""``usage.bin``: what was written is read, at any age, beside a writer, and whatever else is found there."""

from __future__ import annotations

import itertools
import os
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.sampling import LONGEST_INTERVAL_S, MAX_POINTS, interval_s
from mcp_background_job.jobdir import usage
from mcp_background_job.jobdir.usage import HEADER, RECORD_SIZE, Sample
from mcp_background_job.runner.usage.curve import Curve

DAY_S = 86_400.0


def sample(elapsed_s: float) -> Sample:
    """A sample in which every number follows from the time."""
    number = int(elapsed_s * 1000)
    return Sample(number % 7, elapsed_s, elapsed_s + 1e9, elapsed_s / 2, number, number, -1, number, number * 2)


def content(*elapsed: float) -> bytes:
    return usage.header() + b"".join(usage.encode(sample(moment)) for moment in elapsed)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "usage.bin")
    curve = Curve(path)
    for moment in (1.0, 2.5, 4.0):
        curve.add(sample(moment))

    assert usage.read(path) == [sample(1.0), sample(2.5), sample(4.0)]
    assert usage.newest(path) == sample(4.0)
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("age_s", [5, 61, 1_000, 7_200, DAY_S, 5 * DAY_S])
def test_a_curve_of_any_age_is_bounded_ascending_even_and_ends_now(tmp_path: Path, age_s: float) -> None:
    path = str(tmp_path / "usage.bin")
    curve = Curve(path)
    now = newest = interval_s(0, 0)
    taken = 0
    while now <= age_s:
        curve.add(sample(now))
        taken += 1
        newest, now = now, now + interval_s(now, 0)
        if taken % 997 == 0:
            assert len(usage.read(path)) <= MAX_POINTS

    times = [point.elapsed_s for point in usage.read(path)]
    assert len(times) == taken if taken <= MAX_POINTS else MAX_POINTS // 3 < len(times) <= MAX_POINTS
    assert times == sorted(set(times))
    assert (times[0], times[-1]) == (1.0, newest)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) <= max(LONGEST_INTERVAL_S, age_s / 200) * 2
    assert os.stat(path).st_size <= 44_000


@given(st.lists(st.floats(0.001, 1e5), min_size=1, max_size=1500))
def test_any_rhythm_leaves_a_whole_file(tmp_path_factory: pytest.TempPathFactory, gaps: list[float]) -> None:
    path = str(tmp_path_factory.mktemp("usage") / "usage.bin")
    curve = Curve(path)
    now = 0.0
    for gap in gaps:
        now += gap
        curve.add(sample(now))

    times = [point.elapsed_s for point in usage.read(path)]
    assert times == sorted(times)
    assert 0 < len(times) <= MAX_POINTS
    assert times[-1] == now
    assert os.stat(path).st_size == HEADER.size + len(times) * RECORD_SIZE


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_reader_beside_a_writer_sees_whole_samples_in_order(tmp_path: Path, *, newest_first: bool) -> None:
    path = str(tmp_path / "usage.bin")
    curve = Curve(path)
    curve.add(sample(1.0))
    over = threading.Event()

    def write() -> None:
        for number in range(2, 6000):
            curve.add(sample(float(number)))
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    known = 0.0
    while not over.is_set():
        found = usage.newest(path) if newest_first else usage.read(path)[-1]
        assert found is not None
        assert found == sample(found.elapsed_s)
        # The one before the last may stand in for a last one that is just being written.
        assert found.elapsed_s >= known - LONGEST_INTERVAL_S * 6
        known = max(known, found.elapsed_s)
        looks += 1
    writer.join()
    assert looks > 10
    assert usage.newest(path) == sample(5999.0)


def test_a_torn_last_record_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "usage.bin"
    whole = content(1.0, 2.0, 3.0)
    for cut in range(1, RECORD_SIZE):
        path.write_bytes(whole[:-cut])
        assert usage.newest(str(path)) == sample(2.0)
        assert usage.read(str(path)) == [sample(1.0), sample(2.0)]
    torn = bytearray(whole)
    torn[-20] ^= 0xFF
    path.write_bytes(torn)
    assert usage.newest(str(path)) == sample(2.0)
    assert usage.read(str(path)) == [sample(1.0), sample(2.0)]


def test_records_of_a_later_release_are_longer_and_read_all_the_same(tmp_path: Path) -> None:
    longer = RECORD_SIZE + 16
    data = HEADER.pack(usage.MAGIC, 9, longer, 0)
    for moment in (1.0, 2.0):
        fields = usage.encode(sample(moment))[4:] + b"something new!!!"
        data += struct.pack("<I", usage.binascii.crc32(fields)) + fields
    path = tmp_path / "usage.bin"
    path.write_bytes(data)

    assert usage.read(str(path)) == [sample(1.0), sample(2.0)]
    assert usage.newest(str(path)) == sample(2.0)


@given(st.binary(max_size=400))
def test_garbage_is_nothing(garbage: bytes) -> None:
    assert usage.decode(garbage) == []
    assert usage.decode(usage.header() + garbage) == []


@given(st.data())
def test_damage_costs_what_is_damaged(data: st.DataObject) -> None:
    whole = bytearray(content(*map(float, range(1, 20))))
    place = data.draw(st.integers(HEADER.size, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))

    lost = (place - HEADER.size) // RECORD_SIZE + 1
    assert usage.decode(bytes(whole)) == [sample(float(moment)) for moment in range(1, 20) if moment != lost]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300])
@pytest.mark.parametrize("field", ["elapsed_s", "at", "cpu_s"])
def test_what_is_no_time_is_left_out_although_its_checksum_is_right(field: str, value: float) -> None:
    forged = usage.encode(sample(2.0)._replace(**{field: value}))
    assert usage.decode(content(1.0) + forged) == [sample(1.0)]


def test_a_pipe_a_link_and_a_directory_in_its_place_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(content(1.0))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("pipe", "link", "missing", "."):
        assert usage.read(str(tmp_path / name)) == []
        assert usage.newest(str(tmp_path / name)) is None


def test_a_curve_goes_on_when_its_file_is_damaged_or_removed(tmp_path: Path) -> None:
    path = tmp_path / "usage.bin"
    curve = Curve(str(path))
    for number in range(1, MAX_POINTS + 1):
        curve.add(sample(float(number)))
    path.unlink()
    curve.add(sample(1000.0))
    path.write_bytes(b"no curve" * 600)
    for number in range(1001, 3000):
        curve.add(sample(float(number)))
