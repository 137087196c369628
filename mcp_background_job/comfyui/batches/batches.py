"""The use cases of batches: they are made, looked at, canceled, paused, resumed and retried.

The feeder of a server, a background job of its own, sends all prompts to it. Every process that makes work for a
server, or looks at its work, makes sure that a feeder runs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

from mcp_background_job.comfyui.batches.acting import Acting
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.batches.ends import Ends
from mcp_background_job.comfyui.batches.feeder_job import FeederJobs
from mcp_background_job.comfyui.batches.looking import Looking
from mcp_background_job.comfyui.batches.making import MAX_QUEUED, Item, check, new_id, rows_of
from mcp_background_job.comfyui.batches.members import Members
from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.errors import BackgroundJobError, RegistryError
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.ends import SqliteEnds
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.pools import SqlitePools
from mcp_background_job.registry.servers import SqliteServers

_NOT_BEGUN = "its submission was interrupted before it began: resume begins it, cancel drops it"


class Batches:
    """The batches of one server, or of several."""

    def __init__(
        self,
        *,
        client: Client,
        members: Members[Any],
        batches: SqliteBatches,
        servers: SqliteServers,
        pools: SqlitePools,
        journal: Journal,
        ends: SqliteEnds,
        prompts: Prompts,
        feeders: FeederJobs,
        manager: JobManager,
    ) -> None:
        """Takes its parts."""
        self._batches = batches
        self._servers = servers
        self._members = members
        self.feeders = feeders
        self.ends = Ends(
            client=client,
            journal=journal,
            batches=batches,
            servers=servers,
            ends=ends,
            prompts=prompts,
            manager=manager,
            feeders=self.feeders,
        )
        self._looking = Looking(
            members=members,
            batches=batches,
            servers=servers,
            pools=pools,
            manager=manager,
            ends=self.ends,
        )
        acting = Acting(batches, pools, self._looking, members)
        self.get = self._looking.get
        self.glance = self._looking.glance
        self.view = self._looking.view
        self.views = self._looking.views
        self.open_views = self._looking.open_views
        self.wait = self._looking.wait
        self.cancel = acting.cancel
        self.pause = acting.pause
        self.resume = acting.resume
        self.retry_failed = acting.retry_failed
        self.give_up = acting.give_up

    async def create(
        self,
        items: Sequence[Item],
        *,
        note: str = "",
        client: str = "",
        session_id: str | None = None,
        max_queued: int = MAX_QUEUED,
        prompt_timeout_s: float | None = None,
        may_restart: bool = False,
    ) -> BatchView:
        """Make a batch, and have it worked on.

        Raises:
            InvalidRequestError: no prompts, too many, or limits that make no sense; nothing was recorded.
            BackgroundJobError: it cannot be recorded or worked on; nothing of it will run.
        """
        check(items, max_queued=max_queued, prompt_timeout_s=prompt_timeout_s)
        now = time.time()
        members = await self._members.all()
        batch = Batch(
            batch_id=new_id(),
            server=self._members.name if len(members) > 1 else members[0].endpoint.url,
            created_at=now,
            client=client,
            note=note,
            max_queued=max_queued,
            prompt_timeout_s=prompt_timeout_s,
            may_restart=may_restart,
            # Paused until a feeder works on it: a caller that gets an error, or no answer, submits again, and the batch
            # must not run twice.
            paused_at=now,
            trouble=_NOT_BEGUN,
        )
        await lanes.journal(self._record, batch, items, session_id)
        try:
            for one in members:
                url = one.endpoint.url
                await one.feeders.note_kill(url, await one.feeders.newest(url))  # for the others
                await one.feeders.start(url, client=client)
            await lanes.journal(self._batches.pause, batch.batch_id, at=None)
        except BackgroundJobError:
            with contextlib.suppress(RegistryError):  # the same trouble; the batch stays paused
                await lanes.journal(self._batches.request_cancel, batch.batch_id, by=client, at=time.time())
            raise
        return await self.view(batch.batch_id)

    def _record(self, batch: Batch, items: Sequence[Item], session_id: str | None) -> None:
        prompts, graphs = rows_of(batch, items)
        self._batches.create(batch, prompts, graphs, session_id=session_id)
        self.ends.wish(batch.batch_id)  # before the feeder works on it: it is paused

    async def ensure_all(self) -> list[Job]:
        """Make sure that all servers with work have a feeder; returns the feeders."""
        jobs = [await self._ensured(server) for server in await lanes.journal(self._servers.with_work)]
        return [job for job in jobs if job is not None and job.state is not State.EXITED]

    async def _ensured(self, server: str) -> Job | None:
        member = next(iter(await self._members.of(server)), None)  # the member may have a login for it
        return await (self.feeders if member is None else member.feeders).ensure(server)
