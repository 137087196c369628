"""Cancels, pauses and resumes batches, and runs their failed prompts again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mcp_background_job.comfyui.batches.batch_view import BatchView, CanceledBatch
from mcp_background_job.comfyui.batches.looking import Looking
from mcp_background_job.comfyui.batches.making import once_more
from mcp_background_job.comfyui.batches.members import Members, Reached
from mcp_background_job.comfyui.batches.sending import is_sent
from mcp_background_job.comfyui.prompts.cancel import Cancelled
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.pool import is_pool
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.errors import InvalidRequestError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.pools import SqlitePools

#: Verdicts after which a prompt need not be interrupted any more.
OVER = (Verdict.CANCELLED, Verdict.FINISHED, Verdict.FAILED, Verdict.NOT_FOUND)

#: Seconds. A healthy server answers in milliseconds; after a longer silence, giving its prompts up needs care.
_LOOK_S = 5.0


class Acting:
    """Acts on the batches of one server, or of several."""

    def __init__(self, batches: SqliteBatches, pools: SqlitePools, looking: Looking, members: Members[Any]) -> None:
        """Takes its parts."""
        self._batches = batches
        self._pools = pools
        self._looking = looking
        self._members = members

    async def cancel(self, batch_id: str, *, by: str, interrupt: bool = False) -> CanceledBatch:
        """Cancel a batch: prompts that have not run are dropped; the running one finishes, or is interrupted."""
        batch = await self._looking.get(batch_id)
        if batch.ended_at is not None:
            detail = "it had ended already; nothing was cancelled"
            return CanceledBatch(replace(await self._looking.view(batch_id), detail=detail))
        # First of all: whatever happens to this process, nothing that is not being sent now will be sent.
        pending = await lanes.journal(self._batches.request_cancel, batch_id, by=by, at=time.time())
        sent = await lanes.journal(self._batches.at_server, batch_id)
        await self._looking.view(batch_id)
        await self._await_sent(batch)
        running, unknown = await self._take_out(await lanes.journal(self._batches.at_server, batch_id))
        interrupted = [await self._interrupted(prompt_id) for prompt_id in running] if interrupt else []
        stopped = {one.prompt_id for one in interrupted if one.verdict in OVER}
        # From the journal, since the feeder takes prompts out as well.
        canceled = set(await lanes.journal(self._batches.canceled_among, [one.prompt_id for one in sent]))
        return CanceledBatch(
            await self._looking.view(batch_id),
            pending=pending + len(canceled - stopped),
            running=tuple(prompt_id for prompt_id in running if prompt_id not in stopped),
            unknown=tuple(unknown),
            interrupted=tuple(interrupted),
        )

    async def _take_out(self, sent: Sequence[Submission]) -> tuple[list[str], list[str]]:
        """Take prompts out of the queue; returns those that run already, and those whose state is unknown."""
        running: list[str] = []
        unknown: list[str] = []
        silent: set[str] = set()
        # The last one first: if the running prompt ends meanwhile, a prompt that is to be removed must not take its
        # place.
        for one in reversed(sent):
            # A silent server is not asked about each prompt: that takes seconds.
            taken = await self._taken_out(one) if one.server not in silent else None
            if taken is not None and taken.verdict is Verdict.RUNNING:
                running.append(one.prompt_id)
            elif taken is None or taken.verdict not in OVER or await self._is_under_way(one):
                unknown.append(one.prompt_id)
                silent.add(one.server)
        return running, unknown

    async def _taken_out(self, submission: Submission) -> Cancelled | None:
        member = next(iter(await self._members.of(submission.server)), None)
        return None if member is None else await member.canceller.cancel_pending(submission.prompt_id)

    async def _interrupted(self, prompt_id: str) -> Cancelled:
        return await (await self._members.at(prompt_id)).canceller.cancel(prompt_id)

    async def _is_under_way(self, submission: Submission) -> bool:
        sent = await lanes.journal(self._batches.at_server, str(submission.batch_id))
        return any(one.prompt_id == submission.prompt_id and one.stage is Stage.SENDING for one in sent)

    async def _await_sent(self, batch: Batch) -> None:
        """Return once no prompt is on its way to the server: a feeder may have claimed one before the cancel.

        A feeder that has lost touch with the server says so, and sends nothing without another claim.
        """

        async def is_sending() -> bool:
            now = await self._looking.get(batch.batch_id)
            return not now.trouble and bool(await self._senders(batch))

        if await is_sent(is_sending):
            return
        # The feeder is suspended or starved. Its successor finds out what became of the prompt, and does not send it
        # later.
        for one in await self._senders(batch):
            await one.feeders.stop(one.endpoint.url, "a batch is cancelled")
            await one.feeders.ensure(one.endpoint.url)
        await is_sent(is_sending)

    async def _senders(self, batch: Batch) -> list[Any]:
        """Return the servers to which a prompt of a batch is on its way."""
        return [
            one
            for one in await self._members.of(batch.server)
            if await lanes.journal(self._batches.is_sending, one.endpoint.url, batch_id=batch.batch_id)
            and not await self._is_held(batch, one.endpoint.url)
        ]

    async def _is_held(self, batch: Batch, url: str) -> bool:
        """Tell whether a member of a pool is out, and so sends nothing without another claim."""
        if not is_pool(batch.server):  # then the batch itself says so
            return False
        members = await lanes.journal(self._pools.members, batch.server)
        return any(one.hold for one in members if one.url == url)

    async def _is_wedged(self, batch: Batch, url: str) -> bool:
        members = await lanes.journal(self._pools.members, batch.server)
        return any(one.is_wedged for one in members if one.url == url)

    async def pause(self, batch_id: str) -> BatchView:
        """Send no more prompts of a batch; those that were sent run on."""
        self._check_goes_on(await self._looking.get(batch_id), "paused")
        await lanes.journal(self._batches.pause, batch_id, at=time.time())
        return await self._looking.view(batch_id)

    async def resume(self, batch_id: str) -> BatchView:
        """Send the remaining prompts of a batch again."""
        batch = await self._looking.get(batch_id)
        self._check_goes_on(batch, "resumed")
        members = await self._members.of(batch.server)
        for one in members:  # for the others
            await one.feeders.note_kill(one.endpoint.url, await one.feeders.newest(one.endpoint.url))
        await lanes.journal(self._batches.pause, batch_id, at=None)
        for one in members:
            await one.feeders.start(one.endpoint.url, client=batch.client)
        return await self._looking.view(batch_id)

    async def give_up(self, batch_id: str, *, by: str) -> BatchView:
        """Run the prompts of silent or wedged members elsewhere; the caller takes responsibility for duplicates.

        Raises:
            InvalidRequestError: the batch has only one server, or is over.
        """
        batch = await self._looking.get(batch_id)
        self._check_goes_on(batch, "given up in part")
        if not is_pool(batch.server):
            raise InvalidRequestError(
                f"batch {batch_id} runs on one ComfyUI alone: there is no other to run it instead. cancel drops it"
            )
        sent = await lanes.journal(self._batches.at_server, batch_id)
        lost: list[str] = []
        for one in await self._members.of(batch.server):
            url = one.endpoint.url
            here = [entry.prompt_id for entry in sent if entry.server == url]
            # Another reason that held the member up may be gone by now, and then its prompts run.
            if here and (await self._is_wedged(batch, url) or not await _answers(one)):
                await lanes.journal(self._pools.give_up, url, here, by=by, at=time.time())
                lost += here
        view = await self._looking.view(batch_id)
        if not lost:
            return replace(view, detail="every ComfyUI that has prompts of it answers: nothing was given up")
        return replace(view, detail=f"given up, to run elsewhere: {', '.join(lost)}")

    def _check_goes_on(self, batch: Batch, what: str) -> None:
        if batch.ended_at is not None or batch.cancel_requested:
            how = "is over" if batch.ended_at is not None else "is being cancelled"
            raise InvalidRequestError(f"batch {batch.batch_id} {how}, and cannot be {what}")

    async def retry_failed(self, batch_id: str, *, session_id: str | None = None) -> BatchView:
        """Run the failed prompts of a batch once more, under new ids; all others stay as they are."""
        batch = await self._looking.get(batch_id)
        if batch.cancel_requested:
            raise InvalidRequestError(
                f"batch {batch_id} was cancelled, and runs nothing more: submit what you need as a new batch, or one "
                'of its prompts with comfyui_submit(prompt_id="ID")'
            )
        failed = await lanes.journal(self._batches.failed, batch_id)
        if not failed:
            return replace(await self._looking.view(batch_id), detail="none of its prompts has failed")
        again = {one.prompt_id: replace(once_more(one, time.time()), server=batch.server) for one in failed}
        retried = await lanes.journal(self._batches.retry, batch_id, again, session_id=session_id)
        view = await self._looking.view(batch_id)
        when = ", once it is resumed" if view.batch.is_paused else ""
        return replace(view, detail=f"{retried} failed prompts run again{when}")


async def _answers(member: Reached) -> bool:
    try:
        await member.client.queue(read_s=_LOOK_S)
    except UnreachableError:
        return False
    return True
