"""Compares the index with all job directories, in pieces between which calls are served.

Most of what changes is learnt without this: who starts a job puts it into the index, and its mark shows it until it
ends. A pass finds the rest: directories that no index knows, and those that were removed behind its back.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from itertools import islice

from mcp_background_job.core.job import Job
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.executors.places import Places
from mcp_background_job.jobs.indexing.view import job_of, unrecorded
from mcp_background_job.registry.base import Registry

#: What passes are noted under in the index.
_JOBS = "jobs"

#: Pieces that are done at once: all of them, where there are few jobs.
_AT_ONCE = 10

#: Where there are so few jobs, a pass takes about a millisecond, and follows every change.
_FEW = 300

#: With more, passes take this part of the time at most.
_SHARE = 0.01

#: A directory's time stamp may be as coarse as a clock tick: younger than this, it may yet change without showing it.
_STAMP_GRAIN_NS = 50_000_000

#: What an iterator that is over returns instead of an item.
_NOTHING = object()

#: How many ids are compared in one piece: about a millisecond on a busy machine. A call waits for two or three pieces.
_IDS = 100

#: How many directories are read in one piece: some milliseconds.
_READ = 10


def settled(stamp: int) -> int:
    """Return a directory's time stamp, or -1 if the directory may yet change without changing it."""
    return stamp if time.time_ns() - stamp > _STAMP_GRAIN_NS else -1


class Passes:
    """Makes a pass whenever one is due. Use it from the index's thread."""

    def __init__(self, places: Places, read: Callable[[str], Job | None]) -> None:
        """Takes where jobs are, and what reads one job's directory."""
        self._places = places
        self._read = read
        self._pass: Pass | None = None
        self._registry: Registry | None = None
        self._pieces: Iterator[None] = iter(())
        self._stamp = self._passed = -1
        self._took_s = 0.0
        self._not_before = 0.0

    @property
    def is_going(self) -> bool:
        """Whether a pass was begun and is not done."""
        return self._pass is not None

    @property
    def progress(self) -> str | None:
        """How far the index is filled, in words, as long as jobs are missing in it."""
        return self._pass.progress if self._pass else None

    def begin(self, registry: Registry) -> None:
        """Begin a pass if one is due, and do the first pieces of it."""
        if self._pass is None and self._is_due(registry):
            self._registry = registry
            self._pass = Pass(self._places, registry, self._read)
            self._pieces = self._pass.pieces()
            self._took_s = 0.0
            for _ in range(_AT_ONCE):
                if not self.step():
                    break

    def _is_due(self, registry: Registry) -> bool:
        self._stamp = self._places.jobs_changed_at()
        if self._stamp == self._passed or time.monotonic() < self._not_before:
            return False
        if self._stamp == registry.passed(_JOBS):  # another process has done it
            self._passed = self._stamp
            return False
        # What changes from here on may not be seen by the pass.
        self._stamp = settled(self._stamp)
        return True

    def step(self) -> bool:
        """Do one piece; returns whether there is more to do."""
        began = time.monotonic()
        try:
            more = next(self._pieces, _NOTHING) is not _NOTHING
        except BaseException:
            self._pass = None  # the next one begins anew
            raise
        self._took_s += time.monotonic() - began
        if self._pass and not more:
            self._end(self._pass)
        return more

    def _end(self, done: Pass) -> None:
        self._pass = None
        if done.found > _FEW:
            self._not_before = time.monotonic() + self._took_s / _SHARE
        self._passed = self._stamp
        if self._stamp != -1 and done.is_whole and self._registry:
            self._registry.note_pass(_JOBS, self._stamp)


class Pass:
    """One pass. ``pieces`` does the work; each step of it is one piece."""

    def __init__(self, places: Places, registry: Registry, read: Callable[[str], Job | None]) -> None:
        """Takes what to compare, and what reads one job's directory."""
        self._places = places
        self._registry = registry
        self._read = read
        self._unread = 0
        self._is_scanning = True
        #: How many directories there are.
        self.found = 0
        #: Whether every directory that was missing in the index is in it now; one that is just being made is not.
        self.is_whole = True

    @property
    def progress(self) -> str | None:
        """How far the index is filled, in words; ``None`` if nothing is missing that is known of."""
        if not self._unread:
            return None
        about = "at least " if self._is_scanning else ""
        return f"the index is being filled: {self.found - self._unread:,} of {about}{self.found:,} jobs so far"

    def pieces(self) -> Generator[None]:
        """Do one piece after the other."""
        runs: list[list[tuple[int, str]]] = []
        for job_ids in _several(self._places.scan()):
            runs.append(self._missing(job_ids))
            yield
        self._is_scanning = False
        # Newest first, as lists show them. Sorted by the piece and merged on the way: 100,000 at once take too long.
        yield from self._fill(job_id for _, job_id in heapq.merge(*runs))
        yield from self._forget_removed()
        while fill_origins(self._places, self._registry):
            yield

    def _missing(self, job_ids: list[str]) -> list[tuple[int, str]]:
        """Return those that are not in the index, each behind what sorts it: the younger, the lower."""
        self.found += len(job_ids)
        missing = set(job_ids) - self._registry.known_among(job_ids)
        self._unread += len(missing)
        return sorted((-(self._places.store_of(job_id).changed_at(job_id) or 0), job_id) for job_id in missing)

    def _fill(self, missing: Iterator[str]) -> Generator[None]:
        while job_ids := list(islice(missing, _READ)):
            jobs = [job for job_id in job_ids if (job := self._read(job_id))]
            self._registry.put(jobs)
            self.is_whole &= len(jobs) == len(job_ids)
            self._unread -= len(job_ids)
            yield

    def _forget_removed(self) -> Generator[None]:
        job_id = ""
        while job_ids := self._registry.ids(after=job_id, limit=_IDS):
            self._registry.forget(removed(self._places, job_ids))
            job_id = job_ids[-1]
            yield


def removed(places: Places, job_ids: Collection[str]) -> list[str]:
    """Return those of these ids whose directories are gone."""
    return [job_id for job_id in job_ids if places.store_of(job_id).changed_at(job_id) is None]


def fill_origins(places: Places, registry: Registry, name: str | None = None) -> bool:
    """Add to some rows (of this name) of release 1.0.0 what it does not know; returns whether there were any."""
    job_ids = registry.without_origin(limit=_READ, name=name)
    if job_ids:
        registry.fill_origins([_asked(places, job_id) for job_id in job_ids])
    return bool(job_ids)


def _asked(places: Places, job_id: str) -> Job:
    try:
        spec = places.store_of(job_id).spec(job_id)
    except CorruptRecordError as error:
        return unrecorded(job_id, str(error))
    return job_of(spec) if spec else unrecorded(job_id, "its spec.json is gone")


def _several(job_ids: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(job_ids)
    while several := list(islice(iterator, _IDS)):
        yield several
