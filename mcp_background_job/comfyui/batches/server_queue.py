"""The queue of a server as a whole: paused, resumed, and its pending prompts moved or canceled.

Before a prompt is taken out of ComfyUI's queue to be sent again, that wish is recorded (``requeue``). So neither the
feeder nor a look takes it for dropped by somebody else, and if this process dies in between, it is still sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Literal

from mcp_background_job.comfyui.batches.feeder_job import FeederJobs
from mcp_background_job.comfyui.batches.sending import is_sent
from mcp_background_job.comfyui.prompts.cancel import stranger_of
from mcp_background_job.comfyui.prompts.submit import Submitter
from mcp_background_job.comfyui.prompts.taking_out import TakenOut, take_out
from mcp_background_job.comfyui.wire.answers import Queue, Refused
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.errors import InvalidRequestError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.servers import SqliteServers

Place = Literal["front", "end"]

#: Takes the lock for changes of the server's queue and process, for the named action.
Alone = Callable[[str], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class PausedQueue:
    """The result of a request to pause or resume a queue.

    Attributes:
        is_paused: whether nothing of ours is sent now.
        waiting: our prompts without a batch that wait to be sent once the queue is resumed.
        taken_back: prompts that were taken out of ComfyUI's queue for the pause.
        kept: prompts of ours that could not be taken out, each with where it is instead.
        running: prompts of ours that run, and end by themselves.
        others: how many pending prompts of others stay.
        trouble: why the server's queue is unknown.
    """

    is_paused: bool
    waiting: int = 0
    taken_back: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    others: int = 0
    trouble: str = ""


class ServerQueue:
    """The queue of one server."""

    def __init__(
        self,
        *,
        client: Client,
        journal: Journal,
        batches: SqliteBatches,
        servers: SqliteServers,
        events: EventStream,
        submitter: Submitter,
        feeders: FeederJobs,
        alone: Alone,
    ) -> None:
        """Takes its parts."""
        self._client = client
        self._journal = journal
        self._batches = batches
        self._servers = servers
        self._events = events
        self._submitter = submitter
        self._feeders = feeders
        self._alone = alone
        self._server = client.endpoint.url

    # -- pause and resume ------------------------------------------------------------------------------------------

    async def pause(self, *, by: str) -> PausedQueue:
        """Send nothing of ours to the server; our pending prompts are taken back, and others' prompts stay."""
        await lanes.journal(self._servers.pause, self._server, by=by, at=time.time())
        try:
            async with self._alone("pause"):
                return await self._take_back()
        except UnreachableError as error:
            return replace(await self.standing(), trouble=f"what is pending at ComfyUI stays there: {error}")

    async def _take_back(self) -> PausedQueue:
        await self._await_sent()
        queue = await self._client.queue()
        ours = await self._ours(queue)
        taken = await self._out([ours[item.prompt_id] for item in queue.pending if item.prompt_id in ours])
        running = tuple(item.prompt_id for item in queue.running if item.prompt_id in ours)
        others = sum(item.prompt_id not in ours for item in queue.pending)
        standing = await self.standing()
        return replace(standing, taken_back=taken.out, kept=taken.kept, running=running, others=others)

    async def _await_sent(self) -> None:
        """Return once nothing is on its way to the server any more; while it is paused, nothing else will be."""
        await is_sent(lambda: lanes.journal(self._batches.is_sending, self._server))

    async def _ours(self, queue: Queue) -> dict[str, Submission]:
        ids = [item.prompt_id for item in (*queue.running, *queue.pending)]
        known = await lanes.journal(lambda: [self._journal.get(prompt_id) for prompt_id in ids])
        ours = [one for one in known if one is not None and one.is_ours]
        # A dispatcher of release 1.0.0 would take its prompts for dropped by somebody else.
        theirs = {one for one in {one.batch_id for one in ours} if one and await self._feeders.has_dispatcher(one)}
        return {one.prompt_id: one for one in ours if one.batch_id not in theirs}

    async def _out(self, submissions: Sequence[Submission]) -> TakenOut:
        """Take prompts out of ComfyUI's queue, to be sent by the feeder."""
        ids = [one.prompt_id for one in submissions]
        await lanes.journal(self._journal.want_requeue, ids)
        taken = await take_out(self._client, self._events, ids)
        await self._let_wait(taken.out)
        await lanes.journal(self._servers.want_no_requeue, set(ids) - set(taken.out))
        return taken

    async def _let_wait(self, prompt_ids: Sequence[str]) -> None:
        await lanes.journal(self._batches.take_back, prompt_ids)
        await lanes.journal(self._batches.take_back_singles, prompt_ids)

    async def resume(self) -> PausedQueue:
        """Send the waiting prompts again, under the same ids and in the same order."""
        before = await self.standing()
        await lanes.journal(self._servers.resume, self._server)
        if self._server in await lanes.journal(self._servers.with_work):
            await self._feeders.start(self._server)
        return replace(before, is_paused=False)

    async def standing(self) -> PausedQueue:
        """Return whether the queue is paused, and how many prompts wait for it to be resumed."""
        server = await lanes.journal(self._servers.get, self._server)
        waiting = await lanes.journal(self._servers.waiting_singles, self._server)
        return PausedQueue(is_paused=server.is_paused, waiting=len(waiting))

    # -- move ------------------------------------------------------------------------------------------------------

    async def move(self, prompt_id: str, to: Place) -> str:
        """Move a pending prompt before or behind all others; returns in words what was done.

        Raises:
            InvalidRequestError: the prompt is not pending.
            UnreachableError: the server does not answer; the prompt is there, or will be sent again.
        """
        if await self._move_waiting(prompt_id, to):
            return f"it is the {'next' if to == 'front' else 'last'} to be sent"
        async with self._alone("move"):
            queue = await self._client.queue()
            item = queue.find(prompt_id)
            if item is None or queue.is_running(prompt_id):
                where = "runs already" if item else "is not in the queue"
                raise InvalidRequestError(f"{prompt_id} {where}: only a pending prompt can be moved")
            entry = await lanes.journal(self._journal.get, prompt_id) or stranger_of(item, self._server)
            if not entry.is_ours:
                await lanes.journal(self._journal.record, [entry])
            await lanes.journal(self._journal.want_requeue, [prompt_id])
            taken = await take_out(self._client, self._events, [prompt_id])
            if taken.kept:
                await lanes.journal(self._servers.want_no_requeue, [prompt_id])
                raise InvalidRequestError(f"{taken.kept[0]}: it was left where it is")
            if not await self._is_fed(entry):
                return await self._send_again(entry, to)
            await self._let_wait([prompt_id])
            await self._move_waiting(prompt_id, to)
            await self._feeders.ensure(self._server)
        return f"it was taken back, and is the {'next' if to == 'front' else 'last'} to be sent"

    async def _is_fed(self, entry: Submission) -> bool:
        if entry.batch_id is not None:
            return True
        return entry.prompt_id in {
            one.prompt_id for one in await lanes.journal(self._batches.fed_singles, self._server)
        }

    async def _move_waiting(self, prompt_id: str, to: Place) -> bool:
        return await lanes.journal(self._servers.move, prompt_id, to_front=to == "front", at=time.time())

    async def _send_again(self, entry: Submission, to: Place) -> str:
        answer = await self._submitter.send(replace(entry, front=to == "front"))
        if isinstance(answer, Refused):
            raise InvalidRequestError(f"ComfyUI has not taken it again: {answer.message}")
        await lanes.journal(self._journal.resubmitted, entry.prompt_id, number=answer.number, at=time.time())
        return f"it is at the {to} of ComfyUI's queue"

    # -- cancel ----------------------------------------------------------------------------------------------------

    async def cancel_waiting(self, *, by: str) -> tuple[tuple[str, ...], int]:
        """Cancel all prompts that are not sent yet; returns the canceled batches, and the number of prompts."""

        def cancel() -> tuple[tuple[str, ...], int]:
            now = time.time()
            open_ones = [one for one in self._batches.on_server(self._server) if not one.cancel_requested]
            canceled = sum(self._batches.request_cancel(one.batch_id, by=by, at=now) for one in open_ones)
            alone = [one.prompt_id for one in self._servers.waiting_singles(self._server)]
            withdrawn = sum(self._journal.withdraw(prompt_id, at=now) for prompt_id in alone)
            return tuple(one.batch_id for one in open_ones), canceled + withdrawn

        canceled = await lanes.journal(cancel)
        await self._await_sent()
        return canceled
