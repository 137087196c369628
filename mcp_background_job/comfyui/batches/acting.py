"""Cancels, pauses and resumes batches, and tries their failed prompts again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from mcp_background_job.comfyui.batches.batch_view import BatchView, CanceledBatch
from mcp_background_job.comfyui.batches.feeder_job import FeederJobs
from mcp_background_job.comfyui.batches.looking import Looking
from mcp_background_job.comfyui.batches.making import once_more
from mcp_background_job.comfyui.batches.sending import is_sent
from mcp_background_job.comfyui.prompts.cancel import Canceller
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.batches import SqliteBatches

#: What need not be interrupted any more.
OVER = (Verdict.CANCELLED, Verdict.FINISHED, Verdict.FAILED, Verdict.NOT_FOUND)


class Acting:
    """Acts on the batches of one server."""

    def __init__(self, batches: SqliteBatches, canceller: Canceller, looking: Looking, feeders: FeederJobs) -> None:
        """Takes what it works on."""
        self._batches = batches
        self._canceller = canceller
        self._looking = looking
        self._feeders = feeders

    async def cancel(self, batch_id: str, *, by: str, interrupt: bool = False) -> CanceledBatch:
        """Cancel a batch: what has not run never will; what runs ends by itself, or is interrupted."""
        batch = await self._looking.get(batch_id)
        if batch.ended_at is not None:
            detail = "it was over already, and nothing was canceled"
            return CanceledBatch(replace(await self._looking.view(batch_id), detail=detail))
        # First of all: whatever happens to this process, nothing that is not being sent now will be sent.
        pending = await lanes.journal(self._batches.request_cancel, batch_id, by=by, at=time.time())
        sent = await lanes.journal(self._batches.at_server, batch_id)
        await self._looking.view(batch_id)
        await self._await_sent(batch)
        running, unknown = await self._take_out(await lanes.journal(self._batches.at_server, batch_id))
        interrupted = [await self._canceller.cancel(prompt_id) for prompt_id in running] if interrupt else []
        stopped = {one.prompt_id for one in interrupted if one.verdict in OVER}
        # By the journal, since the feeder takes them out as well.
        canceled = set(await lanes.journal(self._batches.canceled_among, [one.prompt_id for one in sent]))
        return CanceledBatch(
            await self._looking.view(batch_id),
            pending=pending + len(canceled - stopped),
            running=tuple(prompt_id for prompt_id in running if prompt_id not in stopped),
            unknown=tuple(unknown),
            interrupted=tuple(interrupted),
        )

    async def _take_out(self, sent: Sequence[Submission]) -> tuple[list[str], list[str]]:
        """Take prompts out of the queue; returns those that run instead, and those of which nothing is known."""
        running: list[str] = []
        unknown: list[str] = []
        # The last one first: when the one that runs ends meanwhile, its place would be taken by one to be taken out.
        for one in reversed(sent):
            # A server that gives no answer is not asked for each of them: that takes seconds.
            taken = await self._canceller.cancel_pending(one.prompt_id) if not unknown else None
            if taken is not None and taken.verdict is Verdict.RUNNING:
                running.append(one.prompt_id)
            elif taken is None or taken.verdict not in OVER or await self._is_under_way(one):
                unknown.append(one.prompt_id)
        return running, unknown

    async def _is_under_way(self, submission: Submission) -> bool:
        sent = await lanes.journal(self._batches.at_server, str(submission.batch_id))
        return any(one.prompt_id == submission.prompt_id and one.stage is Stage.SENDING for one in sent)

    async def _await_sent(self, batch: Batch) -> None:
        """Return when no prompt is on its way to the server: what a feeder has claimed before the wish counts.

        A feeder that is out of touch with the server says so, and sends nothing without another claim.
        """

        async def is_sending() -> bool:
            now = await self._looking.get(batch.batch_id)
            return not now.trouble and await lanes.journal(
                self._batches.is_sending, batch.server, batch_id=batch.batch_id
            )

        if await is_sent(is_sending):
            return
        # It is suspended, or starved: its successor finds out what became of it, and that it is not sent later.
        await self._feeders.stop(batch.server, "a batch is canceled")
        await self._feeders.ensure(batch.server)
        await is_sent(is_sending)

    async def pause(self, batch_id: str) -> BatchView:
        """Send nothing more of a batch; what was sent runs on."""
        self._check_goes_on(await self._looking.get(batch_id), "paused")
        await lanes.journal(self._batches.pause, batch_id, at=time.time())
        return await self._looking.view(batch_id)

    async def resume(self, batch_id: str) -> BatchView:
        """Send again what a batch has to send."""
        batch = await self._looking.get(batch_id)
        self._check_goes_on(batch, "resumed")
        await self._feeders.note_kill(batch.server, await self._feeders.newest(batch.server))  # for the others
        await lanes.journal(self._batches.pause, batch_id, at=None)
        await self._feeders.start(batch.server, client=batch.client)
        return await self._looking.view(batch_id)

    def _check_goes_on(self, batch: Batch, what: str) -> None:
        if batch.ended_at is not None or batch.cancel_requested:
            how = "is over" if batch.ended_at is not None else "is being canceled"
            raise InvalidRequestError(f"batch {batch.batch_id} {how}, and cannot be {what}")

    async def retry_failed(self, batch_id: str, *, session_id: str | None = None) -> BatchView:
        """Run the prompts of a batch that failed once more, under new ids; all others stay as they are."""
        batch = await self._looking.get(batch_id)
        if batch.cancel_requested:
            raise InvalidRequestError(
                f"batch {batch_id} was canceled, and runs nothing more: submit what you need as a new batch"
            )
        failed = await lanes.journal(self._batches.failed, batch_id)
        if not failed:
            return replace(await self._looking.view(batch_id), detail="none of its prompts has failed")
        again = {one.prompt_id: once_more(one, time.time()) for one in failed}
        retried = await lanes.journal(self._batches.retry, batch_id, again, session_id=session_id)
        view = await self._looking.view(batch_id)
        when = ", once it is resumed" if view.batch.is_paused else ""
        return replace(view, detail=f"{retried} failed prompts run again{when}")
