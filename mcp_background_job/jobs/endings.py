"""Finds which jobs of a state directory have ended since the last look, whoever started them.

It touches nobody's news: it is for readers that only watch. A look costs two time stamps, and a listing of the open
marks when one of these has changed; a listing of all jobs only when a job was added or removed.
"""

from __future__ import annotations

from collections.abc import Collection

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.indexing.passes import settled
from mcp_background_job.jobs.indexing.view import job_of, observed, unrecorded


class Endings:
    """The jobs that have ended since the last look. Its methods block; call them one after the other."""

    def __init__(self, places: Places) -> None:
        """Begins with what has not ended now."""
        self._places = places
        self._known = places.discover()
        self._open = set(places.open_jobs())
        self._corrected = places.corrected()
        #: Jobs that have no mark and no end: one that was just added is marked a moment later.
        self._unsure: set[str] = set()
        self._stamps = -1, -1
        self._runs: dict[str, str | None] = {}

    def look(self) -> list[Job]:
        """Return the jobs that have ended since the last look, in the order of their ends.

        A job that was taken for over and has reported its end since is returned once more.
        """
        stamps = self._places.jobs_changed_at(), self._places.marks_changed_at()
        if stamps == self._stamps and not self._unsure:
            return []
        # A job may have come and gone between two looks, and then only its directory tells of it.
        if stamps[0] != self._stamps[0]:
            there = self._places.discover()
            self._open = (self._open | (there - self._known)) & there
            self._known = there
        self._stamps = settled(stamps[0]), settled(stamps[1])
        unmarked = self._open - set(self._places.open_jobs())
        before, self._corrected = self._corrected, self._places.corrected()
        ended = self._ended(unmarked | (self._corrected - before))
        self._open -= {job.job_id for job in ended}
        self._unsure = unmarked & self._open
        return ended

    def open_runs(self) -> dict[str, str]:
        """Return the ids of the jobs that are runs and have not ended, by the ids of the runs."""
        self._runs = {job_id: run for job_id, run in self._runs.items() if job_id in self._open}
        self._runs |= {job_id: run_of(self._places, job_id) for job_id in self._open - self._unsure - self._runs.keys()}
        return {run: job_id for job_id, run in self._runs.items() if run}

    def _ended(self, job_ids: Collection[str]) -> list[Job]:
        seen = self._places.look(job_ids)
        jobs = [
            observed(asked_for(self._places, job_id), now) for job_id, now in seen.items() if now.state is State.EXITED
        ]
        return sorted(jobs, key=lambda job: job.ended_at or 0.0)


def run_of(places: Places, job_id: str) -> str | None:
    """Return the run that a job is, ``None`` if it is none. Reads a file."""
    spec = _spec(places, job_id)
    return spec.env.get(RUN_ID_VARIABLE) if spec else None


def asked_for(places: Places, job_id: str) -> Job:
    """Return a job as it was asked for. Reads a file."""
    spec = _spec(places, job_id)
    return job_of(spec) if spec else unrecorded(job_id, "its spec.json cannot be read")


def _spec(places: Places, job_id: str) -> Spec | None:
    try:
        return places.store_of(job_id).spec(job_id)
    except CorruptRecordError:
        return None  # lists say so
