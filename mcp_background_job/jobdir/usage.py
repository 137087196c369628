"""``usage.bin``: the use of a job's processes, from its first second to now. The file's format, and its readers.

The file has a header and then records of one size, ascending in time. The last record is the newest sample. The next
one may replace it in place, so a reader may find it half written, which its checksum shows. Records of a later release
may be longer: the header has their size, and the fields of this release come first.
"""

from __future__ import annotations

import binascii
import io
import os
import stat
import struct
from typing import NamedTuple

from mcp_background_job.core.sampling import MAX_POINTS

MAGIC = b"MBJUSAGE"
VERSION = 1

#: Magic, version, size of a record, padding.
HEADER = struct.Struct("<8sHHI")

_CHECKSUM = struct.Struct("<I")
_FIELDS = struct.Struct("<Idddqqqqq")
RECORD_SIZE = _CHECKSUM.size + _FIELDS.size

#: Records of later releases are longer, but not without bounds.
_MAX_RECORD_SIZE = 1024

#: No time and no number of CPU seconds comes near this; a NaN fails every comparison.
_LARGEST = 1e15

#: Records to try from the end: the last ones may be half written, by a runner that overwrites them or by a full disk.
_TRIES = 3

#: Stands for an unknown value, for example if the processes belong to another user.
UNKNOWN = -1


class Sample(NamedTuple):
    """The use of a job's processes at one moment.

    Attributes:
        processes: number of processes.
        elapsed_s: seconds since the job was started, by a monotonic clock.
        at: seconds since the epoch.
        cpu_s: CPU seconds of all its processes up to then, ended ones included.
        memory: resident bytes, as a sum over all; shared pages count once for each process.
        peak_memory: the largest such sum that was seen up to then.
        read_bytes: bytes read up to then from files, pipes and sockets; ``UNKNOWN`` if this user may not know it.
        written_bytes: bytes written, likewise.
        output_bytes: bytes of output written to the log up to then.
    """

    processes: int
    elapsed_s: float
    at: float
    cpu_s: float
    memory: int
    peak_memory: int
    read_bytes: int
    written_bytes: int
    output_bytes: int


def header() -> bytes:
    """Return the beginning of the file."""
    return HEADER.pack(MAGIC, VERSION, RECORD_SIZE, 0)


def encode(sample: Sample) -> bytes:
    """Return a sample as a record of the file."""
    fields = _FIELDS.pack(*sample)
    return _CHECKSUM.pack(binascii.crc32(fields)) + fields


def decode(data: bytes) -> list[Sample]:
    """Return the samples in a file's content, oldest first; damaged or foreign records are left out."""
    size = _record_size(data)
    if size is None:
        return []
    places = range(HEADER.size, min(len(data), HEADER.size + MAX_POINTS * size) - size + 1, size)
    return [sample for place in places if (sample := _decode_one(data[place : place + size]))]


def read(path: str) -> list[Sample]:
    """Return the samples of a job, oldest first; none if there is no file, or no readable one."""
    try:
        with _opened(path) as file:
            return decode(file.read(HEADER.size + MAX_POINTS * _MAX_RECORD_SIZE))
    except OSError:  # there is no file, or the disk fails
        return []


def newest(path: str) -> Sample | None:
    """Return the newest sample of a job, and read no more of the file; ``None`` if there is none."""
    return next(iter(latest(path, 1)), None)


def latest(path: str, count: int) -> list[Sample]:
    """Return the newest samples of a job, newest first, and read no more of the file; fewer if there are fewer."""
    found: list[Sample] = []
    try:
        with _opened(path) as file:
            size = _record_size(file.read(HEADER.size))
            if size is None:
                return []
            records = (os.fstat(file.fileno()).st_size - HEADER.size) // size
            for place in range(records - 1, max(-1, records - count - _TRIES), -1):
                file.seek(HEADER.size + place * size)
                record = file.read(size)
                if len(record) == size and (sample := _decode_one(record)):
                    found.append(sample)
                if len(found) == count:
                    break
    except OSError:  # there is no file, or the disk fails
        pass
    return found


def _record_size(data: bytes) -> int | None:
    if len(data) < HEADER.size:
        return None
    magic, _, size, _ = HEADER.unpack_from(data)
    return size if magic == MAGIC and RECORD_SIZE <= size <= _MAX_RECORD_SIZE else None


def _decode_one(record: bytes) -> Sample | None:
    (checksum,) = _CHECKSUM.unpack_from(record)
    if binascii.crc32(record[_CHECKSUM.size :]) != checksum:
        return None
    sample = Sample(*_FIELDS.unpack_from(record, _CHECKSUM.size))
    # The job itself can write such a file: an invalid number or time must not get into sums.
    is_sound = all(0 <= value < _LARGEST for value in (sample.elapsed_s, sample.at, sample.cpu_s))
    return sample if is_sound else None


def _opened(path: str) -> io.FileIO:
    """Open a file that the job itself might have replaced, by a pipe, on which a read would wait, or by a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    file = io.FileIO(descriptor)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(f"{path} is not a file")
    return file
