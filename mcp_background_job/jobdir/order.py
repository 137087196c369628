"""The queue in its order: one empty file per queued job, whose name holds the facts that decide its turn.

So one listing shows the whole queue. A name follows from the job's spec alone and never changes: any process can make
it, and the job's runner removes it. ``queue/<job_id>`` is kept as well, since release 1.0.0 knows no other mark.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from mcp_background_job.core.schedule import Waiting
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir, is_job_id

#: A file name has at most 255 bytes. If a name would be longer, the job's mark in ``open/`` has the facts.
_LONGEST_NAME = 250

#: The microseconds since the epoch always have sixteen hexadecimal digits in a name, so names sort by time.
_LATEST = float(2**63)

#: A limit above this is none.
_NO_LIMIT = 10**9

_OF_A_USER, _OWN, _READ_ON = "u", "o", "r"


class Entry(NamedTuple):
    """A queued job, as its name describes it; ``is_whole`` tells whether the name holds all facts."""

    name: str
    job: Waiting
    is_whole: bool


def enter(state: StateDir, job: Waiting) -> None:
    """Put a recorded job into the queue."""
    records.touch(os.path.join(state.order, name_of(job)))
    records.touch(state.queue_mark(job.job_id))


def leave(state: StateDir, job: Waiting) -> None:
    """Take a job out of the queue, if it is there."""
    remove(state, job.job_id, name_of(job))


def remove(state: StateDir, job_id: str, name: str) -> None:
    """Remove a job's entry, and its mark."""
    for path in (os.path.join(state.order, name), state.queue_mark(job_id)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def entries(state: StateDir) -> dict[str, Entry]:
    """Return the entries of the queue, by job id."""
    try:
        names = os.listdir(state.order)
    except FileNotFoundError:
        return {}
    return {entry.job.job_id: entry for entry in map(_entry, sorted(names)) if entry}


def name_of(job: Waiting) -> str:
    """Return the name of a job's entry: ``<created>-<job_id>-<max_jobs>-<kind>[-<after>…]``."""
    created = int(min(max(0.0, job.created_at * 1e6), _LATEST))
    limit = min(max(0, job.max_jobs), _NO_LIMIT)
    kind = _OWN if job.is_own else _OF_A_USER
    start = f"{created:016x}-{job.job_id}-{limit}-{kind}"
    name = "-".join([start, *job.after])
    if job.pools or job.ancestors or len(name) > _LONGEST_NAME or not all(map(is_job_id, job.after)):
        return start + _READ_ON
    return name


def _entry(name: str) -> Entry | None:
    created, *rest = name.split("-")
    if len(rest) < len(("job_id", "max_jobs", "kind")):
        return None  # not a name of this program
    job_id, max_jobs, kind, *after = rest
    if not is_job_id(job_id):
        return None
    try:
        moment, limit = int(created, 16) / 1e6, int(max_jobs)
    except ValueError:
        return None
    job = Waiting(job_id, moment, limit, tuple(after), is_own=kind.startswith(_OWN))
    return Entry(name, job, not kind.endswith(_READ_ON))
