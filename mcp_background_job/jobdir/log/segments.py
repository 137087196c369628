"""Logs of release 1.0.0, which has segments: they stay readable, even while their runner writes on.

The newest segment is ``output.log`` with its index ``output.idx``. When it was full, both were renamed, the index
first, to ``output.log.<start>`` and ``output.idx.<start>``. ``<start>`` is the offset of its first byte, which the
index's header also has. Then new files were made, the log first. Retention removed the oldest pair.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.files import LogFiles, open_pair

#: If a rotation disturbs this many looks at the directory, the last look is taken as it is.
_ATTEMPTS = 100


@frozen
class Segment:
    """A full segment: its file, its index, and the offset of its first byte."""

    log: str
    index: str
    start: int


def full_segments(job: JobDir) -> list[Segment]:
    """Return the full segments that still exist, oldest first; none if the job no longer exists."""
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
    """Open all segments: a consistent set, although the runner may rotate meanwhile."""
    parts: list[LogFiles] = []
    newest = None
    for _ in range(_ATTEMPTS):
        stack.close()
        before = full_segments(job)
        opened = [open_pair(stack, segment.log, segment.index, segment.start) for segment in before]
        parts = [part for part in opened if part]  # a missing one was dropped meanwhile
        newest = open_pair(stack, job.log, job.index, parts[-1].end if parts else 0)
        # If the listing is the same afterwards, ``output.log`` was not renamed in between: its start is right.
        if full_segments(job) == before and (newest or not before):
            return [*parts, newest] if newest else parts
    return parts  # if a log turns over so quickly, only the segments that were full are certain
