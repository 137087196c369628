"""Logs of release 1.0.0, which were cut into segments: they stay readable, also while their runner writes on.

Its newest segment is ``output.log`` with its index ``output.idx``. When it was full, both were renamed, the index
first, to ``output.log.<start>`` and ``output.idx.<start>``, where ``<start>`` is the offset of its first byte, which
the index's header has too; then new ones were made, the log first. Retention removed the oldest pair.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.files import LogFiles, open_pair

#: A rotation lies between two looks at the directory this often at most before the last look is taken as it is.
_ATTEMPTS = 100


@frozen
class Segment:
    """A full segment: its file, its index, and the offset of its first byte."""

    log: str
    index: str
    start: int


def full_segments(job: JobDir) -> list[Segment]:
    """Return the full segments that are still there, oldest first; none if there is no such job any more."""
    prefix = os.path.basename(job.log) + "."
    try:
        names = os.listdir(job.path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    starts = sorted(
        int(name.removeprefix(prefix))
        for name in names
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
    )
    return [Segment(f"{job.log}.{start:020d}", f"{job.index}.{start:020d}", start) for start in starts]


def open_segments(stack: ExitStack, job: JobDir) -> list[LogFiles]:
    """Open all segments: a set that belongs together, although the runner may rotate while we open them."""
    parts: list[LogFiles] = []
    newest = None
    for _ in range(_ATTEMPTS):
        stack.close()
        before = full_segments(job)
        opened = [open_pair(stack, segment.log, segment.index, segment.start) for segment in before]
        parts = [part for part in opened if part]  # one that is gone was dropped meanwhile
        newest = open_pair(stack, job.log, job.index, parts[-1].end if parts else 0)
        # If the listing is the same afterwards, ``output.log`` was not renamed in between: its start is right.
        if full_segments(job) == before and (newest or not before):
            return [*parts, newest] if newest else parts
    return parts  # of a log that turns over so quickly, what was full when we looked is certain
