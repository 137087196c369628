"""Keeps the index in step with the job directories, from a thread of its own.

The directories are the truth. So an index that is lost, locked or from a newer release costs no job: it is filled
again, or replaced by one in memory until it can be used.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mcp_background_job.core.job import Job
from mcp_background_job.errors import CorruptRecordError, RegistryError
from mcp_background_job.executors.local import LocalExecutor
from mcp_background_job.jobs.view import job_of, observed, unrecorded
from mcp_background_job.registry.base import Registry
from mcp_background_job.registry.memory import MemoryRegistry

_log = logging.getLogger(__name__)

Result = TypeVar("Result")

#: A directory's time stamp may be as coarse as a clock tick: younger than this, it may yet change without showing it.
_STAMP_GRAIN_NS = 50_000_000


class Index:
    """The index of jobs as the use cases see it. Every method runs in the index's thread."""

    def __init__(self, executor: LocalExecutor, open_registry: Callable[[], Registry]) -> None:
        """Opens nothing yet; ``open_registry`` is called in the thread."""
        self._executor = executor
        self._open_registry = open_registry
        self._registry: Registry | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._synced_stamp = -1
        self._is_closed = False
        self.trouble: str | None = None

    async def call(self, function: Callable[[Registry], Result]) -> Result:
        """Run a function on the registry; if the registry fails, on one in memory from then on."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._call, function)

    def close(self) -> None:
        """Close the registry and end the thread; does nothing the second time."""
        if not self._is_closed:
            self._is_closed = True
            self._thread.submit(self._close).result()
            self._thread.shutdown()

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
        _log.warning("%s; going on with an index in memory, made from the job directories", error)
        self.trouble = str(error)
        self._registry = MemoryRegistry()
        self._synced_stamp = -1
        self._sync(self._registry)

    # -- use ---------------------------------------------------------------------------------------------------------

    async def put(self, jobs: list[Job]) -> None:
        """Record jobs as they are now."""
        if jobs:
            await self.call(lambda registry: registry.put(jobs))

    def put_later(self, jobs: list[Job], *, seen: bool = False) -> None:
        """Record jobs, and that their ends were told, without waiting; whatever is asked next comes after it."""

        def put(registry: Registry) -> None:
            registry.put(jobs)
            if seen:
                registry.mark_seen([job.job_id for job in jobs])

        self._thread.submit(self._call, put)

    async def sync(self) -> None:
        """Add what other processes have started since the last look, and bring what had not ended up to date."""
        await self.call(self._sync)

    async def find(self, reference: str) -> Job | None:
        """Return the job with this id, or else the newest with this name."""
        return await self.call(lambda registry: self._find(registry, reference))

    async def near(self, reference: str, limit: int) -> list[str]:
        """Return the newest ids and names, for a caller who got one wrong."""
        newest = await self.call(lambda registry: registry.page(statuses=(), name=None, limit=200, offset=0))
        known = dict.fromkeys(word for job in newest for word in (job.name, job.job_id) if word)
        return _nearest(reference, list(known), limit)

    def _find(self, registry: Registry, reference: str) -> Job | None:
        found = registry.get(reference) or registry.newest_named(reference)
        if found is None or found.job_id != reference:
            # Another process may have started it, or given its name to a newer job, since the last look.
            self._sync_directories(registry)
            found = registry.get(reference) or registry.newest_named(reference)
        return found

    def _sync(self, registry: Registry) -> None:
        self._sync_directories(registry)
        self._update(registry, registry.unended())

    def _update(self, registry: Registry, jobs: list[Job]) -> None:
        seen = self._executor.poll([job.job_id for job in jobs])
        now = ((job, observed(job, seen[job.job_id])) for job in jobs if job.job_id in seen)
        registry.put([job for before, job in now if job != before])

    def _sync_directories(self, registry: Registry) -> None:
        stamp = self._executor.jobs_changed_at()
        if stamp == self._synced_stamp:
            return
        on_disk = self._executor.discover()
        indexed = registry.ids()
        registry.put([job for job_id in sorted(on_disk - indexed) if (job := self._read(job_id))])
        registry.forget(indexed - on_disk)
        self._synced_stamp = stamp if time.time_ns() - stamp > _STAMP_GRAIN_NS else -1

    def _read(self, job_id: str) -> Job | None:
        seen = self._executor.poll([job_id]).get(job_id)
        if seen is None:
            return None
        try:
            spec = self._executor.spec(job_id)
        except CorruptRecordError as error:
            return observed(unrecorded(job_id, str(error)), seen)
        untouched = seen.status is None and seen.exit is None  # no runner was ever there
        if spec is None:
            # It may be recorded this very moment; one that has run is shown even so.
            return None if untouched else observed(unrecorded(job_id, "its spec.json is gone"), seen)
        if spec.job_id != job_id:
            return observed(unrecorded(job_id, f"its spec.json is that of job {spec.job_id}"), seen)
        if untouched:
            self._executor.mark_open(job_id)  # whoever recorded it may have died before
        return observed(job_of(spec), seen)


def _nearest(reference: str, known: list[str], limit: int) -> list[str]:
    import difflib  # noqa: PLC0415  only for a mistyped id

    return difflib.get_close_matches(reference, known, limit, cutoff=0.5) or known[:limit]
