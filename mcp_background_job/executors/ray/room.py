"""Frees the disk space of a copied log that its runner has dropped on the node to save space.

Offsets stay the same: a new file with a hole replaces the old one, which its readers keep while they read. A file is
copied when more than half of it is to be dropped, so that a byte is copied at most once.
"""

from __future__ import annotations

import bisect
import os

from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.format import ENTRY, HEADER

#: The bytes that may be wasted before a copy is made.
SLACK = 16 * 1024 * 1024

#: Bytes copied at once.
_COPY = 1024 * 1024

#: The unit of ``st_blocks``, on every system.
_BLOCK = 512


def give_back(job: JobDir, kept_from: int) -> None:
    """Free the space before the oldest byte that is kept; no other process may write the files meanwhile.

    Raises:
        OSError: the disk has no room for a copy; the files are unchanged.
    """
    _drop_before(job.log, kept_from, head=0)
    _drop_before(job.index, _entry_at(job.index, kept_from), head=HEADER.size)


def _entry_at(path: str, offset: int) -> int:
    """Return where the first index entry stands that has this offset or a later one."""
    with open(path, "rb") as file:
        count = (os.fstat(file.fileno()).st_size - HEADER.size) // ENTRY.size

        def offset_of(number: int) -> int:
            return ENTRY.unpack(os.pread(file.fileno(), ENTRY.size, HEADER.size + number * ENTRY.size))[0]

        return HEADER.size + bisect.bisect_left(range(count), offset, key=offset_of) * ENTRY.size


def _drop_before(path: str, start: int, *, head: int) -> None:
    facts = os.stat(path)
    if facts.st_blocks * _BLOCK <= 2 * (facts.st_size - start) + SLACK:
        return
    new = f"{path}.new"
    with open(path, "rb") as old, open(new, "wb") as copy:
        os.fchmod(copy.fileno(), 0o600)
        copy.write(old.read(head))
        old.seek(start)
        copy.seek(start)
        while data := old.read(_COPY):
            copy.write(data)
    os.rename(new, path)
