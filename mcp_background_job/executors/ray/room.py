"""Gives back the disk that a copied log has no use for any more: what its runner has dropped, for want of room there.

Offsets stay as they are: a new file with a hole takes the place of the old one, whose readers have it for as long as
they read. It is copied when more than half of it is to be dropped, so that a byte is copied once at most.
"""

from __future__ import annotations

import bisect
import os

from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.format import ENTRY, HEADER

#: Bytes that are not worth a copy.
SLACK = 16 * 1024 * 1024

#: Bytes copied at once.
_COPY = 1024 * 1024

#: What ``st_blocks`` counts in, on every system.
_BLOCK = 512


def give_back(job: JobDir, kept_from: int) -> None:
    """Free what lies before the oldest byte that is kept; nobody else may write the files meanwhile.

    Raises:
        OSError: there is no room for a copy; the files are as they were.
    """
    _drop_before(job.log, kept_from, head=0)
    _drop_before(job.index, _entry_at(job.index, kept_from), head=HEADER.size)


def _entry_at(path: str, offset: int) -> int:
    """Return where in an index the first entry stands that is of an offset or of a later one."""
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
