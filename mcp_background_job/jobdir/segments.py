"""The log and its index on disk: names of segments, and the form of an index entry.

An index begins with a header that holds the offset of its segment's first byte in all that the job ever wrote; entries
follow, one for every chunk. The newest segment is ``output.log`` with its index ``output.idx``. When it is full both
are renamed to ``output.log.<start>`` and ``output.idx.<start>``, where ``<start>`` is that offset. So offsets never
change, the newest output is always under one name, and retention is the removal of the oldest pair.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from enum import IntEnum

from mcp_background_job.jobdir.layout import JobDir

#: One entry: offset (uint64) and time (seconds since the epoch, float64) of the first byte, length (uint32), stream
#: (uint8), padding.
ENTRY = struct.Struct("<QdIB3x")

#: The header: a magic number, and the offset of the segment's first byte. As long as an entry.
HEADER = struct.Struct("<8sQ8x")
MAGIC = b"MBJIDX1\n"

#: The log is kept in this many segments, so that retention drops at most this fraction of it at once.
SEGMENTS = 4


class Stream(IntEnum):
    """What an index entry stands for."""

    STDOUT = 1
    STDERR = 2
    LOST = 3  #: bytes that could not be stored; they have no place in the log and no offset


@dataclass(frozen=True)
class Segment:
    """A part of the log: its file, its index, and the offset of its first byte."""

    log: str
    index: str
    start: int


def rotated_name(path: str, start: int) -> str:
    """Return the name that a full segment, or its index, gets. Twenty digits sort as numbers do."""
    return f"{path}.{start:020d}"


def rotated_segments(job: JobDir) -> list[Segment]:
    """Return the full segments that are still there, oldest first."""
    prefix = os.path.basename(job.log) + "."
    starts = sorted(
        int(name.removeprefix(prefix))
        for name in os.listdir(job.path)
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
    )
    return [Segment(rotated_name(job.log, start), rotated_name(job.index, start), start) for start in starts]
