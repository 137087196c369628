"""Tidies up: after dead runners, in the index, and among jobs that ended long ago."""

from __future__ import annotations

import asyncio
import os
import shutil
import time

from mcp_background_job.core.states import State
from mcp_background_job.executors.local import LocalExecutor
from mcp_background_job.jobs.index import Index


class Tidier:
    """Brings the state directory and the index in order."""

    def __init__(self, executor: LocalExecutor, index: Index, *, keep_s: float) -> None:
        """Takes its parts, and the seconds for which ended jobs are kept."""
        self._executor = executor
        self._index = index
        self._keep_s = keep_s

    async def recover(self) -> None:
        """Bring the index up to date, sweep up after dead runners, and serve a queue that nobody else serves."""
        await self._index.sync()
        self._executor.sweep_the_dead()
        await self._executor.serve_queue()

    async def prune(self, *, older_than_s: float | None = None) -> list[str]:
        """Remove ended jobs, their output with them, that ended long enough ago; returns their ids."""
        await self._index.sync()
        before = time.time() - (self._keep_s if older_than_s is None else older_than_s)
        old = await self._index.call(lambda registry: registry.ended_before(before))
        removed = await asyncio.to_thread(self._remove_directories, old)
        await self._index.call(lambda registry: registry.forget(removed))
        return removed

    def _remove_directories(self, job_ids: list[str]) -> list[str]:
        for job_id, seen in self._executor.poll(job_ids).items():
            if seen.state is State.EXITED and not seen.sweep:
                shutil.rmtree(self._executor.state.job(job_id).path, ignore_errors=True)
        return [job_id for job_id in job_ids if not os.path.exists(self._executor.state.job(job_id).path)]
