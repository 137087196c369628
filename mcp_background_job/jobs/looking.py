"""Looks at jobs: which jobs exist, their status, and their output."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from mcp_background_job.core.job import Job, JobChoice
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.states import STATUSES, Outcome, State
from mcp_background_job.errors import CorruptRecordError, InvalidRequestError, UnknownJobError
from mcp_background_job.executors import lanes, looping
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.layout import is_job_id
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.indexing.view import job_of, observed
from mcp_background_job.jobs.standing import Remarks, Standing

if TYPE_CHECKING:
    from mcp_background_job.jobs.details import Details
    from mcp_background_job.jobs.output import Excerpt, PageOfLog, Picture
    from mcp_background_job.jobs.telling import Teller
    from mcp_background_job.registry.base import Counts

#: Names offered to a caller who mistyped one.
_SUGGESTIONS = 5

#: Specs of live jobs that are remembered, some 1 kB each. They never change, and reading one of megabytes takes 10 ms.
_SPECS_KEPT = 1000


class Looker:
    """Looks at jobs; see ``JobManager`` for what is not said here."""

    def __init__(self, places: Places, index: Index, *, glance: Callable[[], None]) -> None:
        """Takes its parts, and what else is looked at by the way, whenever a job is looked at closely."""
        self._places = places
        self._index = index
        self._asked_of: dict[tuple[str, float], Spec] = {}
        self._glance = glance

    async def find(self, reference: str, asker: Asker | None = None) -> Job:
        """Return a job as it is now, by id or name."""
        return (await self.look(await self._known(reference, asker)))[0]

    async def _known(self, reference: str, asker: Asker | None) -> Job:
        """Return a job as it was when somebody last looked."""
        job = await self._index.find(reference, asker)
        if job is None:
            near = await self._index.near(reference, asker.project if asker else "", _SUGGESTIONS)
            filling = f" ({self._index.filling})" if self._index.filling else ""
            raise UnknownJobError(f"there is no job {reference!r}; {_hint(near)}{filling}")
        return job

    async def details(self, reference: str, asker: Asker | None = None) -> Details:
        """Return all that is known of a job."""
        details = await lanes.look(self._details_of_id, reference) if is_job_id(reference) else None
        if details is None:
            known = await self._known(reference, asker)
            details = await lanes.look(self._details_of, known)
            details = dataclasses.replace(details, job=await self.noted(known, details.seen))
        elif details.seen.sweep:
            await looping.needed()
            self._places.care_later(details.job.job_id)
        if details.job.state is State.EXITED:
            return details
        usage = details.usage or await self._places.usage(details.job.job_id)
        note = await self._teller.note(Standing(details.job, details.seen, details.spec, details.is_suspended, usage))
        return dataclasses.replace(details, usage=usage, note=note)

    @cached_property
    def _teller(self) -> Teller:
        from mcp_background_job.jobs.telling import Teller  # noqa: PLC0415  what is over does without

        return Teller(self._places, self._index)

    async def note(self, job: Job, seen: Observation) -> str | None:
        """Return a sentence on a live job that was just seen, beside its status."""
        return await self._teller.note(await lanes.look(self._standing, job, seen))

    async def question(self, job: Job, seen: Observation) -> str | None:
        """Return the line in which a live job asks for input; see ``Teller.question``."""
        return await self._teller.question(await lanes.look(self._standing, job, seen))

    def _standing(self, job: Job, seen: Observation) -> Standing:
        return Standing(job, seen, self._asked(job), self._places.is_suspended(job.job_id, seen))

    def _asked(self, job: Job) -> Spec | None:
        """Return what a live job was asked, without command and environment: lists come back for it again and again."""
        key = (job.job_id, job.created_at)
        if key not in self._asked_of:
            spec = self._spec(job.job_id)
            if spec is None:
                return None
            if len(self._asked_of) >= _SPECS_KEPT:
                self._asked_of.clear()
            self._asked_of[key] = dataclasses.replace(spec, command=job.command, argv=[], env={})
        return self._asked_of[key]

    async def note_of_end(self, job: Job) -> str | None:
        """Return a sentence on a job that has ended, beside its reason."""
        return await lanes.look(self._note_of_end, job)

    def _note_of_end(self, job: Job, spec: Spec | None = None) -> str | None:
        from mcp_background_job.jobs.ending import note_of_end  # noqa: PLC0415  lists do without

        return note_of_end(self._places, job, spec or self._spec(job.job_id))

    async def notes_on(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Look at jobs and return the same of those that live, by id, as far as there is anything to say."""
        live = [job for job in jobs if job.state is not State.EXITED]
        return (await self.remarks(live)).notes if live else {}

    async def remarks(self, jobs: Sequence[Job]) -> Remarks:
        """Look at jobs once and return the same, and of those on clusters, ended or not, where they are, in words."""
        standings, engines = await lanes.look(self._remarkable, {job.job_id: job for job in jobs})
        told = await self._told(standings)
        notes = {one.job.job_id: note for one, note in zip(standings, told, strict=True) if note}
        return Remarks(notes, engines)

    async def _told(self, standings: Sequence[Standing]) -> list[str | None]:
        if looping.is_absent():  # one after another, until one has to be asked
            return [await self._teller.note(standing) for standing in standings]
        await looping.needed()
        import asyncio  # noqa: PLC0415  see ``looping``

        return await asyncio.gather(*map(self._teller.note, standings))

    def _remarkable(self, jobs: Mapping[str, Job]) -> tuple[list[Standing], dict[str, str]]:
        self._glance()
        seen = self._places.look(
            [
                job_id
                for job_id, job in jobs.items()
                if job.state is not State.EXITED or self._places.is_elsewhere(job_id)
            ]
        )
        standings = [
            self._standing(jobs[job_id], one) for job_id, one in seen.items() if jobs[job_id].state is not State.EXITED
        ]
        return standings, {job_id: one.engine for job_id, one in seen.items() if one.engine}

    def _details_of_id(self, job_id: str) -> Details | None:
        """Return what is known of the job with this id; ``None`` if its directory alone does not tell what it is.

        Looks into no index: each change of threads costs as much as all of this.
        """
        spec, seen = self._spec(job_id), self._places.look([job_id]).get(job_id)
        if spec is None or spec.job_id != job_id or seen is None or (seen.status is None and seen.exit is None):
            return None
        return self._gathered(observed(job_of(spec), seen), seen, spec)

    def _details_of(self, known: Job) -> Details:
        seen = self._places.look([known.job_id]).get(known.job_id)
        if seen is None:
            raise _gone(known)
        return self._gathered(observed(known, seen), seen, self._spec(known.job_id))

    def _gathered(self, job: Job, seen: Observation, spec: Spec | None) -> Details:
        from mcp_background_job.jobs.details import details_of  # noqa: PLC0415  a list of jobs does without

        self._glance()
        usage = self._places.usage_seen(job.job_id, seen)
        is_suspended = self._places.is_suspended(job.job_id, seen)
        details = details_of(self._places.store_of(job.job_id), job, seen, spec=spec, usage=usage)
        if job.state is State.EXITED and not details.note:
            return dataclasses.replace(details, note=self._note_of_end(job, spec))
        return dataclasses.replace(details, is_suspended=is_suspended) if is_suspended else details

    def _spec(self, job_id: str) -> Spec | None:
        try:
            return self._places.store_of(job_id).spec(job_id)
        except CorruptRecordError:
            return None

    async def listed(self, choice: JobChoice, *, limit: int, offset: int) -> tuple[list[Job], Counts]:
        """Return jobs, those that have not ended first, and then newest first; and how many are meant."""
        unknown = set(choice.statuses) - set(STATUSES)
        if unknown:
            raise InvalidRequestError(f"status {', '.join(sorted(unknown))!r}: give one of {', '.join(STATUSES)}")
        return await self._index.listed(choice, limit=limit, offset=offset)

    async def look(self, job: Job) -> tuple[Job, Observation]:
        """Return a job as it is now, and what was seen of it.

        Raises:
            UnknownJobError: it is gone.
        """
        seen = (await lanes.look(self._places.look, [job.job_id])).get(job.job_id)
        if seen is None:
            raise _gone(job)
        return await self.noted(job, seen), seen

    async def noted(self, job: Job, seen: Observation) -> Job:
        """Act on what was just seen; returns the job as it is now."""
        if seen.sweep:
            await looping.needed()
            self._places.care_later(job.job_id)
        now = observed(job, seen)
        if now != job:
            self._index.put_later([now])
        return now

    # -- output ----------------------------------------------------------------------------------------------------

    async def excerpt(self, job: Job, *, since: int, budget: int | None) -> Excerpt:
        """Return the important part of a job's output."""
        return await lanes.scan(self._excerpt, job, since, budget)

    async def excerpt_of_end(self, job: Job, *, since: int, budget: int | None) -> tuple[Excerpt, str | None]:
        """Return the same of a job that has ended, and the note on its end: both in one change of threads."""
        return await lanes.scan(lambda: (self._excerpt(job, since, budget), self._note_of_end(job)))

    def _excerpt(self, job: Job, since: int, budget: int | None) -> Excerpt:
        from mcp_background_job.jobs import output  # noqa: PLC0415  much that is about no output does without

        failed = job.outcome not in (None, Outcome.COMPLETED)
        store = self._places.store_of(job.job_id)
        return output.excerpt(store, job.job_id, since=since, budget=budget or output.EXCERPT_BUDGET, failed=failed)

    async def newest(self, job: Job, *, since: int, budget: int | None) -> Excerpt:
        """Return the end of a live job's new output."""
        from mcp_background_job.jobs import output  # noqa: PLC0415  see above

        store = self._places.store_of(job.job_id)
        return await lanes.scan(output.newest, store, job.job_id, since=since, budget=budget or output.NEWS_BUDGET)

    async def tail(self, job: Job, *, lines: int, stream: str, grep: str | None, raw: bool) -> Excerpt:
        """Return the last lines of a job's output."""
        from mcp_background_job.jobs import output  # noqa: PLC0415  see above

        store = self._places.store_of(job.job_id)
        return await lanes.scan(output.tail, store, job.job_id, lines=lines, stream=stream, grep=grep, raw=raw)

    async def screen(self, job: Job) -> Picture:
        """Return what a job's terminal shows.

        Raises:
            InvalidRequestError: it has none.
        """
        from mcp_background_job.jobs import output  # noqa: PLC0415  see above

        store = self._places.store_of(job.job_id)
        spec = await lanes.look(store.spec, job.job_id)
        if spec is None or spec.stdin != "pty":
            raise InvalidRequestError(f'job {job.label} has no screen: start it with stdin="pty" to see one')
        return await lanes.scan(output.screen, store, job.job_id)

    async def page(self, job: Job, *, cursor: int, max_bytes: int, stream: str, raw: bool) -> PageOfLog:
        """Return a page of a job's output."""
        from mcp_background_job.jobs import output  # noqa: PLC0415  see above

        return await lanes.scan(
            output.page,
            self._places.store_of(job.job_id),
            job.job_id,
            cursor=cursor,
            max_bytes=max_bytes,
            stream=stream,
            raw=raw,
            ended=job.state is State.EXITED,
        )


def _hint(near: list[str] | None) -> str:
    """Return what helps a caller who got an id or name wrong; ``None`` if there are no jobs."""
    if near is None:
        return "there are no jobs yet"
    return f"nearest: {', '.join(near)}" if near else "list_jobs shows the jobs that there are"


def _gone(job: Job) -> UnknownJobError:
    return UnknownJobError(f"job {job.label} is no longer there: its directory was removed")
