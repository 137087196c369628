"""The log and its index on disk: one file each.

``output.log`` holds the bytes as the job wrote them, each at its offset. ``output.idx`` holds their times and streams:
a header and entries of one size. If the job's share of disk is used up, the oldest blocks of both files are freed in
place. So offsets never change, and dropped bytes are a hole.

The runner first writes ``kept_from`` into the header and then frees the bytes before it. A reader first reads and then
looks at ``kept_from``: the bytes from there on were no hole when it read them.
"""

from __future__ import annotations

import struct
from enum import IntEnum

#: One entry: offset (uint64) and time (seconds since the epoch, float64) of the first byte, length (uint32), stream
#: (uint8), padding. An entry of zeros was dropped.
ENTRY = struct.Struct("<QdIB3x")

#: Position of the stream in an entry.
STREAM_AT = 20

#: The header: a magic number, the offset of the first byte of the log file (not 0 only in segments of release 1.0.0),
#: and the offset of the oldest kept byte. It is as long as an entry.
HEADER = struct.Struct("<8sQQ")
MAGIC = b"MBJIDX1\n"

#: Position and form of ``kept_from`` in the header.
KEPT_FROM_AT = 16
KEPT_FROM = struct.Struct("<Q")


class Stream(IntEnum):
    """The meaning of an index entry."""

    STDOUT = 1
    STDERR = 2
    LOST = 3  #: bytes that could not be stored; they have no place in the log and no offset
