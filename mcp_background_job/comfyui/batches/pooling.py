"""The feeder's part in the pools of its server: which prompts it may send, and which it leaves to other members.

The rules are in ``core.comfyui.pool``.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from mcp_background_job.comfyui.batches.sent import Say, Sent
from mcp_background_job.comfyui.prompts.server_end import ServerEnds
from mcp_background_job.comfyui.prompts.taking_out import take_out
from mcp_background_job.comfyui.wire.answers import Queue
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.core.comfyui import pool
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.executors import lanes
from mcp_background_job.registry.attempts import SqliteAttempts
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.pools import SqlitePools
from mcp_background_job.registry.servers import SqliteServers


class Pooling:
    """The pools of one server. For a server without pools, each look costs one query."""

    def __init__(
        self,
        *,
        client: Client,
        events: EventStream,
        journal: Journal,
        batches: SqliteBatches,
        servers: SqliteServers,
        pools: SqlitePools,
        attempts: SqliteAttempts,
        ends: ServerEnds,
        sent: Sent,
        say: Say,
    ) -> None:
        """Takes its parts."""
        self._client = client
        self._server = client.endpoint.url
        self._events = events
        self._journal = journal
        self._batches = batches
        self._servers = servers
        self._pools = pools
        self._attempts = attempts
        self._ends = ends
        self._sent = sent
        self._say = say
        self._open: dict[str, Batch] = {}
        self._told = (0.0, -1)

    async def open_batches(self) -> dict[str, Batch]:
        """Return the batches of its pools that are not over."""
        found = await lanes.journal(self._pools.open_batches, self._server)
        self._open = {batch.batch_id: batch for batch in found}
        return dict(self._open)

    def has(self, batch_id: str) -> bool:
        """Tell whether a batch was one of them at the last look."""
        return batch_id in self._open

    # -- while the server answers ----------------------------------------------------------------------------------

    async def look(self) -> None:
        """Report that this member is there and how full it is; give up prompts that others should have."""
        if not self._open:
            return
        queue = await self._client.queue()
        await self._hear(queue)
        await self._clear_away(queue)
        for name in {batch.server for batch in self._open.values()}:
            members = await lanes.journal(self._pools.members, name)
            pending = await self._pending(queue, name)
            if one := pool.gives_back(self._server, members, time.time(), pending):
                await self._let_others([one], "another ComfyUI of the pool is idle")

    async def _hear(self, queue: Queue) -> None:
        now, queued = time.time(), len(queue.running) + len(queue.pending)
        said_at, said = self._told
        # Each report waits for the disk, so one without news only has to be made in time.
        if queued != said or now - said_at >= pool.HEARD_S:
            self._told = (now, queued)
            await lanes.journal(self._pools.hear, self._server, at=now, queued=queued)

    async def _clear_away(self, queue: Queue) -> None:
        """Take out prompts that somebody has given up here while this server was silent: they run elsewhere."""
        for prompt_id in await lanes.journal(self._pools.given_up_on, self._server):
            if queue.is_running(prompt_id):
                continue  # only a person can say whether this copy or the other is to go on
            if queue.position(prompt_id) is not None:
                await take_out(self._client, self._events, [prompt_id])
                self._say(f"{prompt_id} was given up here, and is taken out")
            await lanes.journal(self._pools.forget_given_up, self._server, prompt_id)

    async def _pending(self, queue: Queue, name: str) -> Mapping[str, Collection[str]]:
        items = sorted(queue.pending, key=lambda item: item.number)
        ours = [item.prompt_id for item in items if self._is_of(item.prompt_id, name)]
        return {one: await lanes.journal(self._pools.refusals, one) for one in ours}

    def _is_of(self, prompt_id: str, name: str) -> bool:
        one = self._sent.prompts.get(prompt_id)
        batch = self._open.get(one.batch_id or "") if one else None
        return batch is not None and batch.server == name

    async def leave_wedge(self) -> None:
        """Give a wedged server's waiting prompts to other members. Its running prompt stays, as its end is unknown."""
        if not self._open:
            return
        queue = await self._client.queue()
        waiting = [item.prompt_id for item in queue.pending if self.is_ours(item.prompt_id)]
        if waiting:
            await self._let_others(waiting, "its ComfyUI is wedged")

    def is_ours(self, prompt_id: str) -> bool:
        """Tell whether a sent prompt belongs to a pool's batch."""
        one = self._sent.prompts.get(prompt_id)
        return one is not None and (one.batch_id or "") in self._open

    async def _let_others(self, prompt_ids: Sequence[str], why: str) -> None:
        # The wish comes first, so that nobody takes the prompt for one that somebody else dropped.
        await lanes.journal(self._journal.want_requeue, prompt_ids)
        taken = await take_out(self._client, self._events, prompt_ids)
        await lanes.journal(self._batches.take_back, taken.out)
        await lanes.journal(self._servers.want_no_requeue, set(prompt_ids) - set(taken.out))
        for prompt_id in taken.out:
            await self._events.forget(prompt_id)
            self._sent.forget(prompt_id)
            self._say(f"{prompt_id} was taken out, and waits for another ComfyUI: {why}")

    # -- what is to be sent ----------------------------------------------------------------------------------------

    async def may_send(self, batches: Collection[Batch]) -> list[Batch]:
        """Return the batches of which this member may send a prompt now, including those of no pool."""
        most = max((batch.max_queued for batch in batches), default=0)
        allowed: dict[str, bool] = {}
        for name in {batch.server for batch in batches if self.has(batch.batch_id)}:
            members = await lanes.journal(self._pools.members, name)
            allowed[name] = pool.may_take(self._server, members, time.time(), most=most)
        return [batch for batch in batches if allowed.get(batch.server, True)]

    async def refused(self, submission: Submission, reason: str) -> str | None:
        """Offer a prompt that this server refuses to the other members; returns why it failed, once none takes it.

        In between it never counts as failed, since a look at its batch would then take the batch for over.
        """
        batch = self._open.get(submission.batch_id or "")
        if batch is None:
            return reason
        by = await lanes.journal(self._pools.refused, submission.prompt_id, self._server, reason)
        members = await lanes.journal(self._pools.members, batch.server)
        if why := pool.refused_by_all(members, by):
            return why
        await lanes.journal(self._batches.take_back, [submission.prompt_id])
        return None

    # -- while the server gives no answer --------------------------------------------------------------------------

    async def bury(self) -> None:
        """Give other members the prompts that were sent to a process that has certainly ended, even if none answers."""
        if not self._open:
            return
        of_pools = [one for one in self._sent.prompts.values() if (one.batch_id or "") in self._open]
        gone = [one for one in of_pools if await self._is_over(one)]
        await self._sent.judge(gone)

    async def _is_over(self, submission: Submission) -> bool:
        attempts = await lanes.journal(self._attempts.of, submission.prompt_id)
        boot = attempts[-1].boot if attempts and attempts[-1].server == self._server else ""
        return await self._ends.is_surely_over(boot)
