"""The log and its index on disk: one file each.

``output.log`` holds the bytes as the job wrote them, each at its offset. ``output.idx`` says when they came, and on
which stream: a header and entries of the same size. When the job's share of disk is used up the oldest blocks of both
files are freed where they lie. So offsets never change, and what was dropped reads as a hole.

The runner first writes ``kept_from`` into the header and then frees what lies before it. A reader first reads and then
looks at ``kept_from``: what it has read from there on was no hole when it was read.
"""

from __future__ import annotations

import struct
from enum import IntEnum

#: One entry: offset (uint64) and time (seconds since the epoch, float64) of the first byte, length (uint32), stream
#: (uint8), padding. An entry of zeros was dropped.
ENTRY = struct.Struct("<QdIB3x")

#: Where in an entry its stream stands.
STREAM_AT = 20

#: The header: a magic number, the offset of the first byte of the log file (0, but in segments of release 1.0.0), and
#: the offset of the oldest byte that is kept. As long as an entry.
HEADER = struct.Struct("<8sQQ")
MAGIC = b"MBJIDX1\n"

#: Where in the header ``kept_from`` stands, and its form.
KEPT_FROM_AT = 16
KEPT_FROM = struct.Struct("<Q")


class Stream(IntEnum):
    """What an index entry stands for."""

    STDOUT = 1
    STDERR = 2
    LOST = 3  #: bytes that could not be stored; they have no place in the log and no offset
