"""Looks at batches. A look makes sure that a feeder works on them, so a reboot or a killed feeder costs only time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.batches.ends import Ends
from mcp_background_job.comfyui.batches.feeder_job import FeederJobs, trouble_of
from mcp_background_job.comfyui.batches.members import Members, Reached
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.core.comfyui import pool
from mcp_background_job.core.comfyui.batch import TERMINAL, Batch, status_of, told_apart
from mcp_background_job.core.comfyui.pool import is_pool
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import (
    BackgroundJobError,
    InvalidRequestError,
    UnknownBatchError,
    UnreachableError,
)
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.pools import SqlitePools
from mcp_background_job.registry.servers import SqliteServers

#: Seconds. A healthy server sends its queue in milliseconds; without it, the known facts are reported at once.
_LOOK_S = 1.0

#: Failures that a look at a batch shows; ``comfyui_errors`` and ``comfyui_jobs`` show the others.
_MAX_FAILURES = 5


class Looking:
    """Looks at the batches of one server, or of several."""

    def __init__(
        self,
        *,
        members: Members[Any],
        batches: SqliteBatches,
        servers: SqliteServers,
        pools: SqlitePools,
        manager: JobManager,
        ends: Ends,
    ) -> None:
        """Takes its parts."""
        self._members = members
        self._batches = batches
        self._servers = servers
        self._pools = pools
        self._manager = manager
        self._ends = ends

    async def get(self, batch_id: str) -> Batch:
        """Return a batch of this server.

        Raises:
            UnknownBatchError: there is none.
            InvalidRequestError: the batch belongs to another server. This one does not know which of its prompts run,
                or which were taken out of its queue.
        """
        batch = await lanes.journal(self._batches.get, batch_id)
        if batch is None:
            newest = ", ".join(one.batch_id for one in await self._newest(limit=5))
            raise UnknownBatchError(
                f"there is no batch {batch_id!r}; " + (f"the newest are {newest}" if newest else "there are none yet")
            )
        if batch.server not in await self._members.servers():
            here = self._members.home.endpoint.url
            if is_pool(batch.server):
                urls = [one.url for one in await lanes.journal(self._pools.members, batch.server)]
                raise InvalidRequestError(
                    f"batch {batch_id} runs on several ComfyUIs ({', '.join(urls)}), and this is {here}: set "
                    "COMFYUI_URLS to those"
                )
            raise InvalidRequestError(
                f"batch {batch_id} runs on ComfyUI at {batch.server}, and this is {here}: set COMFYUI_URL to that one"
            )
        return batch

    async def glance(self, batch_id: str) -> BatchView | None:
        """Return what the journal knows of a batch of any server; ``None`` if there is none."""
        batch = await lanes.journal(self._batches.get, batch_id)
        return await self._journalled(batch) if batch else None

    async def _newest(self, *, limit: int) -> list[Batch]:
        found = [
            batch
            for server in await self._members.servers()
            for batch in await lanes.journal(self._batches.newest, server, limit)
        ]
        return sorted(found, key=lambda batch: (batch.created_at, batch.batch_id), reverse=True)[:limit]

    async def views(self, *, limit: int) -> list[BatchView]:
        """Return what the journal knows of the newest batches."""
        return await self._all_journalled(await self._newest(limit=limit))

    async def open_views(self) -> list[BatchView]:
        """Return what the journal knows of the batches that are not over."""
        found = [
            batch
            for server in await self._members.servers()
            for batch in await lanes.journal(self._batches.on_server, server)
        ]
        return await self._all_journalled(found)

    async def _all_journalled(self, batches: Sequence[Batch]) -> list[BatchView]:
        return [await self._journalled(batch) for batch in batches]

    async def view(self, batch_id: str) -> BatchView:
        """Look at a batch; if it is not over, its server has a feeder afterwards."""
        batch = await self.get(batch_id)
        feeder, trouble = await self._fed(batch)
        view = await self._journalled(await self.get(batch_id))
        view = replace(view, feeder=feeder, trouble=trouble or await self._trouble(view.batch, feeder))
        if view.batch.ended_at is not None:
            view = replace(view, detail=await self._ends.failure_of(batch_id))
        if view.counts.failed:
            failed = await lanes.journal(self._batches.failed, batch_id, limit=_MAX_FAILURES)
            view = replace(view, failures=tuple(failed))
        return await self._with_queue(view) if view.counts.running else view

    async def _fed(self, batch: Batch) -> tuple[Job | None, str]:
        """Return the job that feeds a batch, or why there is none; a failure does not prevent the look."""
        jobs: list[Job | None] = []
        why = ""
        for one in await self._members.of(batch.server):
            feeders: FeederJobs = one.feeders
            work = feeders.ensure if batch.ended_at is None else feeders.newest
            try:
                jobs.append(await work(one.endpoint.url))
            except BackgroundJobError as error:
                why = f"no feeder works on it: {error}"
        # If several feed a pool, any of them reports the end of the batch.
        jobs.sort(key=lambda job: job is None or job.state is State.EXITED)
        return (jobs[0], "") if jobs else (None, why)

    async def _trouble(self, batch: Batch, feeder: Job | None) -> str:
        if batch.ended_at is not None:
            return ""
        if batch.trouble:
            return batch.trouble
        told = await lanes.journal(self._batches.told, batch.batch_id)
        if is_pool(batch.server):
            held = pool.trouble_of(await lanes.journal(self._pools.members, batch.server))
            return "; ".join(filter(None, [told, held, trouble_of(feeder)]))
        server = await lanes.journal(self._servers.get, batch.server)
        paused = f"the queue of ComfyUI was paused by {server.paused_by}" if server.is_paused else ""
        return "; ".join(filter(None, [paused, told, server.told, trouble_of(feeder)]))

    async def _journalled(self, batch: Batch) -> BatchView:
        counts = await lanes.journal(self._batches.counts, batch.batch_id)
        status = status_of(counts, cancel_requested=batch.cancel_requested, paused=batch.is_paused)
        if status in TERMINAL and batch.ended_at is None:
            await lanes.journal(self._batches.ended, batch.batch_id, at=time.time())
            batch = await lanes.journal(self._batches.get, batch.batch_id) or batch
        return BatchView(batch, counts, status)

    async def _with_queue(self, view: BatchView) -> BatchView:
        """Distinguish the sent prompts that run from those that wait."""
        sent = await lanes.journal(self._batches.at_server, view.batch.batch_id)
        members = await self._members.of(view.batch.server)
        seen = await asyncio.gather(*(_seen_at(one, sent) for one in members))
        silent = {where.server: where.trouble for where in seen if where.trouble}
        unknown = tuple(one for one in sent if one.server in silent)
        if len(silent) == len(members):
            why = "; ".join(silent.values())
            return replace(view, unknown=unknown, trouble=view.trouble or f"which of its prompts run is unknown: {why}")
        running = [prompt for where in seen for prompt in where.running]
        counts = told_apart(view.counts, runs=len(running), waits=sum(where.waiting for where in seen))
        status = status_of(counts, cancel_requested=view.batch.cancel_requested, paused=view.batch.is_paused)
        return replace(view, counts=counts, status=status, running=tuple(running), unknown=unknown)

    async def wait(self, batch_id: str, wait_s: float) -> BatchView:
        """Look at a batch when it is over, or after so many seconds."""
        deadline = time.monotonic() + wait_s
        while True:
            feeder, _ = await self._fed(await self.get(batch_id))
            # Before the look: if the batch ends meanwhile, the end is found in the output since then.
            heard = await lanes.look(self._size_of_output, feeder) if feeder else 0
            view = await self.view(batch_id)
            left = deadline - time.monotonic()
            if view.status in TERMINAL or left <= 0 or view.feeder is None or view.feeder.state is State.EXITED:
                return view
            since = heard if feeder and feeder.job_id == view.feeder.job_id else 0
            await self._manager.wait(view.feeder, _until_over(batch_id, since=since, wait_s=left))

    def _size_of_output(self, feeder: Job) -> int:
        try:
            return Path(self._manager.places.store_of(feeder.job_id).log_path(feeder.job_id)).stat().st_size
        except OSError:  # it has written nothing yet
            return 0


@dataclass(frozen=True)
class _Seen:
    """The part of a batch that is at one server."""

    server: str
    running: tuple[Prompt, ...] = ()
    waiting: int = 0
    trouble: str = ""


async def _seen_at(member: Reached, sent: Sequence[Submission]) -> _Seen:
    url = member.endpoint.url
    here = [one for one in sent if one.server == url]
    if not here:
        return _Seen(url)
    try:
        queue = await member.client.queue(read_s=_LOOK_S)
    except UnreachableError as error:
        return _Seen(url, trouble=str(error))
    waiting = sum(queue.position(one.prompt_id) is not None for one in here)
    running = [one for one in here if queue.is_running(one.prompt_id)]
    return _Seen(url, tuple([await member.prompts.queued(queue, one.prompt_id, one) for one in running]), waiting)


def told_end(batch_id: str, status: str) -> str:
    """Return the line in which a feeder reports the end of a batch: waits for a batch look for it."""
    return f"batch {batch_id} {status}"


def _until_over(batch_id: str, *, since: int, wait_s: float) -> WaitRequest:
    """Return a wait until the feeder reports the end of a batch, or ends itself."""
    import regex  # noqa: PLC0415  few calls wait for a batch

    pattern = told_end(batch_id, f"({'|'.join(TERMINAL)})")
    return WaitRequest(
        until=Until(Kind.REGEX, pattern=pattern), wait_s=wait_s, until_pattern=regex.compile(pattern), since=since
    )
