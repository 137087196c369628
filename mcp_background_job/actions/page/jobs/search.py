"""Searches in logs, of one job or of all. Each call searches for a while, and the next one continues."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.arguments import several
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.output import StreamName
from mcp_background_job.actions.meant import Word, Words
from mcp_background_job.core.job import Job, JobChoice
from mcp_background_job.core.states import NOT_OVER, STATUSES
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import stream_of
from mcp_background_job.jobs.reading.search import Hit, Sought, search, sought_of, trouble

#: Seconds that a call searches; its caller then sees how far the search is.
_SEARCH_S = 2.0

#: The most lines that one call finds.
_MAX_HITS = 200

#: The most lines per job in a search over all jobs: a job that repeats a line a million times hides no other.
_HITS_OF_JOB = 20

#: The jobs that are taken from the index at once.
_JOBS_AT_ONCE = 200

#: The order of a search over all jobs: running ones, then ended ones; each newest first.
_PHASES = ("live", "ended")
_ENDED = tuple(status for status in STATUSES if status not in NOT_OVER)


@dataclass(frozen=True, kw_only=True)
class SearchOne:
    """A search in one log.

    Attributes:
        pattern: regular expression; without it, lines that look like errors are searched.
        begin: offset where the search begins.
    """

    job_id: Word
    pattern: str | None = None
    begin: Annotated[int, Field(ge=0)] = 0
    stream: StreamName = "both"
    limit: Annotated[int, Field(ge=1, le=_MAX_HITS)] = _MAX_HITS


@dataclass(frozen=True, kw_only=True)
class SearchAll:
    """A search in the logs of all jobs.

    Attributes:
        status: jobs with one of these statuses.
        project: jobs of this project.
        text: jobs with this text in their name, id or command.
        cursor: where the previous call ended.
    """

    pattern: str
    status: Words | None = None
    project: str | None = None
    text: str | None = None
    cursor: str | None = None


@dataclass(frozen=True)
class _Place:
    """The progress of a search over all jobs: phase, job and offset in its log; without a job, at the first one."""

    phase: int
    created_at: float = float("inf")
    job_id: str = ""
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.phase}:{self.created_at!r}:{self.job_id}:{self.offset}"

    @classmethod
    def of(cls, text: str | None) -> _Place:
        if text is None:
            return cls(0)
        try:
            phase, created_at, job_id, offset = text.split(":")
            place = cls(int(phase), float(created_at), job_id, int(offset))
        except ValueError:
            raise InvalidRequestError(f"cursor={text[:60]!r}: give the one that the search before returned") from None
        if not 0 <= place.phase < len(_PHASES) or place.offset < 0:
            raise InvalidRequestError(f"cursor={text[:60]!r}: give the one that the search before returned")
        return place


class Searching:
    """``search_log`` and ``search_logs``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def search_log(self, caller: Caller, request: SearchOne) -> Facts:
        """Search one job's log for two seconds; returns the lines found, and where the next call continues."""
        job = await self._manager.find(request.job_id, caller.looks)
        sought = trouble() if request.pattern is None else sought_of(request.pattern)
        found = await lanes.search(
            search,
            self._manager.places.store_of(job.job_id),
            job.job_id,
            sought,
            begin=request.begin,
            stream=stream_of(request.stream),
            limit=request.limit,
            deadline=time.monotonic() + _SEARCH_S,
        )
        hits = [_hit(hit) for hit in found.hits]
        return {"hits": hits, "next": found.next, "end": found.end, "is_over": found.is_over}

    async def search_logs(self, _caller: Caller, request: SearchAll) -> Facts:
        """Search the logs of all jobs for two seconds; returns the lines found, and where the next call continues."""
        if not request.pattern:
            raise InvalidRequestError("pattern is empty: give what is looked for")
        sought, place = sought_of(request.pattern), _Place.of(request.cursor)
        await self._manager.index.sync()
        deadline = time.monotonic() + _SEARCH_S
        hits: list[Facts] = []
        jobs = size = 0
        while True:
            chosen = await self._manager.index.page(_choice(request, place), limit=_JOBS_AT_ONCE, offset=0)
            jobs_done, place, searched = await lanes.search(self._search, chosen, sought, place, hits, deadline)
            jobs, size = jobs + jobs_done, size + searched
            if jobs_done == len(chosen) < _JOBS_AT_ONCE:
                if place.phase + 1 == len(_PHASES):
                    return {"hits": hits, "cursor": None, "jobs": jobs, "bytes": size}
                place = _Place(place.phase + 1)
            elif jobs_done < len(chosen) or time.monotonic() > deadline or len(hits) >= _MAX_HITS:
                return {"hits": hits, "cursor": str(place), "jobs": jobs, "bytes": size}

    def _search(
        self, jobs: list[Job], sought: Sought, place: _Place, hits: list[Facts], deadline: float
    ) -> tuple[int, _Place, int]:
        """Search these jobs until the deadline; returns how many are done, the progress, and the bytes searched."""
        size = 0
        for done, job in enumerate(jobs):
            begin = place.offset if job.job_id == place.job_id else 0
            # Each call searches something, even after its deadline.
            if done and (time.monotonic() > deadline or len(hits) >= _MAX_HITS):
                return done, _Place(place.phase, job.created_at, job.job_id, begin), size
            store = self._manager.places.store_of(job.job_id)
            found = search(store, job.job_id, sought, begin=begin, stream=None, limit=_HITS_OF_JOB, deadline=deadline)
            hits += [{"job_id": job.job_id, "name": job.name, "status": job.status, **_hit(hit)} for hit in found.hits]
            size += max(0, found.next - begin)
            if not found.is_over and len(found.hits) < _HITS_OF_JOB:
                return done, _Place(place.phase, job.created_at, job.job_id, found.next), size
        last = jobs[-1] if jobs else None
        return len(jobs), _Place(place.phase, last.created_at, last.job_id, _DONE) if last else place, size


#: An offset that no log reaches: the whole log of this job is searched.
_DONE = 2**62


def _choice(request: SearchAll, place: _Place) -> JobChoice:
    wanted = several(request.status) or STATUSES
    if unknown := set(wanted) - set(STATUSES):
        raise InvalidRequestError(f"status {', '.join(sorted(unknown))!r}: give one of {', '.join(STATUSES)}")
    phase = NOT_OVER if _PHASES[place.phase] == "live" else _ENDED
    statuses = tuple(status for status in wanted if status in phase)
    before = None
    if place.job_id:  # the job itself too, unless all of its log is searched
        before = place.created_at, place.job_id if place.offset == _DONE else f"{place.job_id}~"
    return JobChoice(statuses=statuses or ("none",), project=request.project, text=request.text, before=before)


def _hit(hit: Hit) -> dict[str, Any]:
    at = None if hit.at is None else round(hit.at * 1000)
    return {"offset": hit.offset, "at": at, "line": hit.line}
