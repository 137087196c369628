"""Tidies up: after dead runners, in the index, and among jobs that ended long ago."""

from __future__ import annotations

import time
from functools import partial

from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.news import JobNews
from mcp_background_job.registry.base import Registry

#: Whoever tidies up waits this long for an index that is being filled, and goes on with what is in it then.
_FILL_PATIENCE_S = 2.0

#: Between so many removals the index is used by others.
_REMOVED_AT_ONCE = 200


class Tidier:
    """Brings the state directory and the index in order."""

    def __init__(self, places: Places, index: Index, news: JobNews, *, keep_s: float) -> None:
        """Takes its parts, and the seconds for which ended jobs are kept."""
        self._news = news
        self._places = places
        self._index = index
        self._keep_s = keep_s

    async def recover(self) -> None:
        """Bring the index up to date, sweep up after dead runners, and serve a queue that nobody else serves."""
        await self._index.sync()
        await self._places.tend()
        await self._places.serve()
        await self._index.caught_up(patience_s=_FILL_PATIENCE_S)

    async def forget_tasks(self, path: str, *, older_than_s: float | None = None) -> None:
        """Remove tasks for which nobody has asked for long enough; see ``jobdir.tasks``."""
        from mcp_background_job.jobdir.tasks import TaskStore  # noqa: PLC0415  servers alone need it

        before = time.time() - (self._keep_s if older_than_s is None else older_than_s)
        await lanes.write(TaskStore(path).remove, before)

    async def prune(self, *, older_than_s: float | None = None) -> list[str]:
        """Remove ended jobs, their output with them, that ended long enough ago; returns their ids."""
        await self._index.sync()
        await self._index.caught_up()
        before = time.time() - (self._keep_s if older_than_s is None else older_than_s)
        await self._news.forget(before)
        removed: list[str] = []
        kept = 0
        while old := await self._index.call(partial(_old, before, kept)):
            gone = await lanes.write(self._remove, old)
            await self._index.call(partial(_forget, gone))
            removed += gone
            kept += len(old) - len(gone)
        return removed

    def _remove(self, job_ids: list[str]) -> list[str]:
        seen = self._places.look(job_ids)
        return [job_id for job_id in job_ids if self._is_removed(job_id, seen.get(job_id))]

    def _is_removed(self, job_id: str, seen: Observation | None) -> bool:
        if seen is None:
            return True
        is_over = seen.state is State.EXITED and not seen.sweep
        return is_over and self._places.store_of(job_id).remove(job_id)


def _old(before: float, kept: int, registry: Registry) -> list[str]:
    return registry.ended_before(before, limit=_REMOVED_AT_ONCE, offset=kept)


def _forget(job_ids: list[str], registry: Registry) -> None:
    registry.forget(job_ids)
