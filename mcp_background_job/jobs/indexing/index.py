"""Keeps the index in step with the job directories, from a thread of its own.

The directories are the truth. So no job is lost with an index that is lost, locked or from a newer release: the index
is filled again, or replaced by one in memory until it can be used.

The cost of a call depends on the live jobs, not on all jobs that ever ran. New jobs are told by their marks in
``open/``, and are put here by whoever starts them. Only who is killed between recording a job and putting it here
leaves one that neither tells, if it ends before anybody looks; a pass finds it, as it finds removed directories.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from mcp_background_job.core.job import ANY, Job, JobChoice
from mcp_background_job.core.naming import Asker, Named, Reference, chosen, qualified, reference_of
from mcp_background_job.core.nearest import nearest
from mcp_background_job.core.states import State
from mcp_background_job.core.wire import utf8
from mcp_background_job.errors import CorruptRecordError, RegistryError
from mcp_background_job.executors import lanes, looping
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.layout import is_job_id
from mcp_background_job.jobs.indexing.finding import found
from mcp_background_job.jobs.indexing.passes import Passes, fill_origins, removed, settled
from mcp_background_job.jobs.indexing.view import job_of, observed, unrecorded
from mcp_background_job.registry.base import Counts, Registry

if TYPE_CHECKING:
    import asyncio

Result = TypeVar("Result")

#: Newest jobs among which one is looked for that a mistyped name may mean.
_NEAR = 100


class Index:
    """The index of jobs as the use cases see it. Every method runs in the index's thread."""

    def __init__(self, places: Places, open_registry: Callable[[], Registry]) -> None:
        """Opens nothing yet; ``open_registry`` is called in the thread."""
        self._places = places
        self._open_registry = open_registry
        self._registry: Registry | None = None
        self._thread = lanes.OwnThread("index")
        self._marks: set[str] = set()
        self._marks_stamp = -1
        self._signs: dict[str, tuple[int, bool]] = {}
        self._corrected: set[str] = set()
        self._passes = Passes(places, self._read)
        self._passing: asyncio.Task[None] | None = None
        self._is_closed = False
        self.trouble: str | None = None

    async def call(self, function: Callable[[Registry], Result]) -> Result:
        """Run a function on the registry; if the registry fails, on one in memory from then on."""
        result = await self._thread.call(lambda: self._call(function))
        self._go_on()
        return result

    def close(self) -> None:
        """Close the registry and end the thread; does nothing the second time."""
        if not self._is_closed:
            self._is_closed = True
            if self._passing:
                self._passing.cancel()
            self._thread.close(self._close)

    def _close(self) -> None:
        if self._registry:
            self._registry.close()

    def _call(self, function: Callable[[Registry], Result]) -> Result:
        try:
            return function(self._opened())
        except RegistryError as error:
            self._fall_back(error)
            return function(self._opened())

    def _opened(self) -> Registry:
        if self._registry is None:
            self._registry = self._open_registry()
        return self._registry

    def _fall_back(self, error: RegistryError) -> None:
        import logging  # noqa: PLC0415  seldom needed

        from mcp_background_job.registry.memory import MemoryRegistry  # noqa: PLC0415  seldom needed

        logging.getLogger(__name__).warning(
            "%s; going on with an index in memory, made from the job directories", error
        )
        self.trouble = str(error)
        self._registry = MemoryRegistry()
        self._marks, self._marks_stamp, self._signs, self._corrected = set(), -1, {}, set()
        self._passes = Passes(self._places, self._read)
        self._sync(self._registry)

    # -- use ---------------------------------------------------------------------------------------------------------

    async def put(self, jobs: list[Job]) -> None:
        """Record jobs as they are now."""
        if jobs:
            await self.call(lambda registry: registry.put(jobs))

    def put_later(self, jobs: list[Job]) -> None:
        """Record jobs as they are now, without waiting; whatever is asked next comes after it."""
        self._thread.call_later(lambda: self._call(lambda registry: registry.put(jobs)))

    async def sync(self) -> None:
        """Add what other processes have started since the last look, and bring what had not ended up to date."""
        await self.call(self._sync)

    async def caught_up(self, *, patience_s: float = math.inf) -> None:
        """Wait until a pass that was begun is done; at most for so long."""
        if looping.is_absent():
            deadline = time.monotonic() + patience_s
            while self._passes.is_going and time.monotonic() < deadline:
                await self.call(lambda _: self._passes.step())
        elif self._passing:
            await looping.needed()
            import asyncio  # noqa: PLC0415  see ``looping``

            await asyncio.wait({self._passing}, timeout=None if patience_s == math.inf else patience_s)

    @property
    def filling(self) -> str | None:
        """How far the index is filled, in words, as long as jobs are missing in it."""
        return self._passes.progress

    async def page(self, choice: JobChoice, *, limit: int, offset: int) -> list[Job]:
        """Return jobs: those that have not ended first, and then the others; newest first."""
        if not choice.is_plain:
            return (await found(self.call, self._there, choice, limit=limit, offset=offset, is_counted=False))[0]

        def page(registry: Registry) -> list[Job]:
            return self._there(registry, lambda: registry.page(choice, limit=limit, offset=offset))

        return await self.call(page)

    async def listed(self, choice: JobChoice, *, limit: int, offset: int) -> tuple[list[Job], Counts]:
        """Bring all up to date and return such a page, with how many jobs are meant.

        All that is in one change of threads, unless jobs must be looked through.
        """
        if not choice.is_plain:
            await self.sync()
            return await found(self.call, self._there, choice, limit=limit, offset=offset, is_counted=True)

        def listed(registry: Registry) -> tuple[list[Job], Counts]:
            self._sync(registry)
            jobs = self._there(registry, lambda: registry.page(choice, limit=limit, offset=offset))
            return jobs, registry.counts(choice)

        return await self.call(listed)

    async def children(self, job_ids: Collection[str], *, limit: int) -> list[Job]:
        """Return jobs that were started within these, oldest first."""

        def children(registry: Registry) -> list[Job]:
            return self._there(registry, lambda: registry.children(job_ids, limit=limit))

        return await self.call(children)

    async def projects(self) -> dict[str, int]:
        """Return the projects that have jobs, and how many each."""
        return await self.call(lambda registry: registry.projects())

    async def find(self, reference: str, asker: Asker | None = None) -> Job | None:
        """Return the job with this id, or else the one that the asker means by this name; ``None`` asks by id only.

        Raises:
            AmbiguousNameError: it may mean jobs of several projects.
            ForeignNameError: it means a job of another project, which the asker may not change by that name.
        """
        readable = utf8(reference)  # no id and no name has other bytes, and the database takes no others
        return await self.call(lambda registry: self._find(registry, readable, asker))

    async def newest_named(self, name: str, project: str) -> Job | None:
        """Return the job that got this name last in a project."""

        def newest(registry: Registry) -> Job | None:
            self._take_named(registry, name)
            return next(iter(self._own(registry, name, project)), None)

        return await self.call(newest)

    async def near(self, reference: str, project: str, limit: int) -> list[str] | None:
        """Return the ids and names that resemble one that a caller got wrong, ``None`` if there are no jobs.

        Names of other projects stand with these. Only the newest jobs are looked at.
        """
        newest = await self.call(lambda registry: registry.page(ANY, limit=_NEAR, offset=0))
        known = dict.fromkeys(word for job in newest for word in (_name_for(job, project), job.job_id) if word)
        return nearest(reference, known, limit) if known else None

    def _find(self, registry: Registry, reference: str, asker: Asker | None) -> Job | None:
        if is_job_id(reference) and (job := registry.get(reference) or self._add(registry, reference)):
            return job
        if asker is None:
            return None
        return self._named(registry, reference_of(reference), asker)

    def _named(self, registry: Registry, reference: Reference, asker: Asker) -> Job | None:
        self._take_named(registry, reference.name)
        # Most mean what is theirs; only if that is not there are others looked for.
        found = self._own(registry, reference.name, asker.project) if reference.project is None else []
        found = found or self._there(registry, lambda: registry.named(reference.name))
        meant = chosen(reference, [Named(job.job_id, job.project) for job in found], asker)
        return next((job for job in found if meant and job.job_id == meant.item_id), None)

    def _own(self, registry: Registry, name: str, project: str) -> list[Job]:
        return self._there(registry, lambda: _one(registry.newest_named(name, project)))

    def _there(self, registry: Registry, look: Callable[[], list[Job]]) -> list[Job]:
        """Return what a look into the registry finds, without what was removed behind its back."""
        while True:
            jobs = look()
            gone = removed(self._places, [job.job_id for job in jobs])
            if not gone:
                return jobs
            registry.forget(gone)

    def _add(self, registry: Registry, job_id: str) -> Job | None:
        job = self._read(job_id)
        registry.put([job] if job else [])
        return job

    def _sync(self, registry: Registry) -> None:
        self._take_marked(registry)
        self._passes.begin(registry)
        fill_origins(self._places, registry)
        self._correct(registry)
        self._update(registry, registry.unended())

    def _correct(self, registry: Registry) -> None:
        """Read anew what was taken for over, and has told since how it ended."""
        corrected = self._places.corrected()
        new = corrected - self._corrected
        self._corrected = corrected
        registry.put([job for job_id in sorted(new) if (job := self._read(job_id))])

    def _go_on(self) -> None:
        """Do the rest of a pass piece by piece; calls that come meanwhile are served between two pieces."""

        async def to_the_end() -> None:
            while await self.call(lambda _: self._passes.step()):
                pass

        if looping.is_absent():  # whoever needs the rest waits for it, and then it is done
            return
        if self._passes.is_going and (self._passing is None or self._passing.done()):
            import asyncio  # noqa: PLC0415  see ``looping``

            self._passing = asyncio.get_running_loop().create_task(to_the_end())

    def _take_named(self, registry: Registry, name: str) -> None:
        # Another process may have started a job, or given the name to a newer one, since the last look.
        self._take_marked(registry)
        fill_origins(self._places, registry, name=name)  # what release 1.0.0 has put here is of no project yet

    def _take_marked(self, registry: Registry) -> None:
        stamp = self._places.marks_changed_at()
        if stamp == self._marks_stamp:
            return
        marks = set(self._places.open_jobs())
        new = marks - self._marks
        jobs = {job_id: self._read(job_id) for job_id in sorted(new - registry.known_among(new))}
        registry.put([job for job in jobs.values() if job])
        # One that was not recorded yet is looked at again, though its mark changes no more.
        unread = {job_id for job_id, job in jobs.items() if job is None}
        self._marks = marks - unread
        self._marks_stamp = -1 if unread else settled(stamp)

    def _update(self, registry: Registry, jobs: list[Job]) -> None:
        changed = self._changed(jobs)
        seen = self._places.look([job.job_id for job in changed])
        now = ((job, observed(job, seen[job.job_id])) for job in changed if job.job_id in seen)
        registry.put([job for before, job in now if job != before])
        registry.forget([job.job_id for job in changed if job.job_id not in seen])

    def _changed(self, jobs: list[Job]) -> list[Job]:
        """Return those whose directory or runner is not as it was; to look at them all is five times as dear."""
        before, self._signs = self._signs, {}
        changed: list[Job] = []
        for job in jobs:
            stamp = self._places.store_of(job.job_id).changed_at(job.job_id)
            sign = settled(stamp or -1), self._places.has_runner(job.job_id)
            # A job on its way from the queue to its runner leaves no trace in its directory.
            if sign[0] == -1 or job.state is State.STARTING or before.get(job.job_id) != sign:
                changed.append(job)
            self._signs[job.job_id] = sign
        return changed

    def _read(self, job_id: str) -> Job | None:
        seen = self._places.look([job_id]).get(job_id)
        if seen is None:
            return None
        try:
            spec = self._places.store_of(job_id).spec(job_id)
        except CorruptRecordError as error:
            return observed(unrecorded(job_id, str(error)), seen)
        untouched = seen.status is None and seen.exit is None  # no runner was ever there
        if spec is None:
            # It may be recorded this very moment; one that has run is shown even so.
            return None if untouched else observed(unrecorded(job_id, "its spec.json is gone"), seen)
        if spec.job_id != job_id:
            return observed(unrecorded(job_id, f"its spec.json is that of job {spec.job_id}"), seen)
        if untouched:
            self._places.store_of(job_id).mark_open(job_id)  # whoever recorded it may have died before
        return observed(job_of(spec), seen)


def _one(job: Job | None) -> list[Job]:
    return [job] if job else []


def _name_for(job: Job, project: str) -> str | None:
    return job.name if job.name is None or job.project == project else qualified(job.project, job.name)
