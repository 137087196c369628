"""Feeds the prompts of one batch to ComfyUI, a few at a time, until the batch is over.

What is true of each prompt stands in the journal; a dispatcher remembers nothing that the next one could not find out.
So it may die at any moment: its successor looks where the prompts are, and goes on.

    claim a prompt that waits    one statement, in which cancel and pause are looked at
    send it                      under its own id, so that it can be found if the answer is lost
    hear that it is over         from the websocket, or at the next look
    settle it                    from the history, never from what was heard
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable

from mcp_background_job.comfyui.batches import dispatch_plan
from mcp_background_job.comfyui.batches.dispatch_plan import REASONS, Fate, fate_of
from mcp_background_job.comfyui.prompts.cancel import Canceller
from mcp_background_job.comfyui.prompts.cancel_plan import Place, Verdict
from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.prompts.results import cause_of, cause_of_refusal
from mcp_background_job.comfyui.prompts.submit import Submitter
from mcp_background_job.comfyui.wire.answers import Finished, Queue, Refused
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.batch import TERMINAL, Batch, BatchStatus, status_of
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.errors import BackgroundJobError, RegistryError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal_base import Journal

#: Between two looks at the queue while prompts are there: what the websocket does not tell is seen then.
_LOOK_S = 0.5

#: Between two looks at the batch while nothing can be sent: whoever resumes it tells nobody.
_IDLE_LOOK_S = 1.0

#: A request whose sender died or gave up may lie in the server's sockets; after this time it has been taken.
_LATE_S = 1.5
_LATE_LOOK_S = 0.1

#: A prompt that nothing ends is tried again after this time, since a busy step may have come to an end.
_TRY_AGAIN_S = 60.0

#: Says in a line what happened.
Say = Callable[[str], None]


class Dispatcher:
    """The dispatcher of one batch."""

    def __init__(
        self,
        batch_id: str,
        *,
        client: Client,
        batches: SqliteBatches,
        journal: Journal,
        events: EventStream,
        prompts: Prompts,
        submitter: Submitter,
        canceller: Canceller,
        restart: Callable[[], Awaitable[bool]],
        resume: Callable[[], Awaitable[object]],
        say: Say,
    ) -> None:
        """Takes what it works on.

        Args:
            batch_id: the batch.
            client: of its server, as all that follow.
            batches: where it is.
            journal: where its prompts are.
            events: that tell when a prompt is over.
            prompts: that look for prompts.
            submitter: that sends them.
            canceller: that stops one at its time limit.
            restart: restarts the server where nothing else ends a prompt; returns whether this dispatcher goes on.
            resume: submits again what a restart of the server has left to be submitted.
            say: tells people.
        """
        self._batch_id = batch_id
        self._client = client
        self._batches = batches
        self._journal = journal
        self._events = events
        self._prompts = prompts
        self._submitter = submitter
        self._canceller = canceller
        self._restart = restart
        self._resume = resume
        self._say = say
        self._sent: dict[str, Submission] = {}
        self._running_since: dict[str, float] = {}
        self._try_again_at: dict[str, float] = {}
        self._woken = asyncio.Event()
        self._look_at = 0.0
        self._is_in_touch = False
        self._in_touch_since = 0.0
        self._failures = 0
        self._wedged_by = ""

    async def run(self) -> BatchStatus:
        """Work until the batch is over, or its server is about to be restarted; returns what it is then."""
        self._events.hold()
        self._events.when_over(self._settle)
        self._in_touch_since = time.time()
        batch = await self._batch()
        while True:
            try:
                batch = await self._batch()
                status = await self._turn(batch)
            except (UnreachableError, RegistryError) as error:
                await self._stay_away(batch, error)
                continue
            if status is not None:
                return status
            await self._rest(_LOOK_S if self._sent else _IDLE_LOOK_S)

    async def _turn(self, batch: Batch) -> BatchStatus | None:
        """Do what is due; returns the status of the batch if there is nothing more to do."""
        if time.monotonic() >= self._look_at:
            try:
                await self._look(batch)
            except UnreachableError as error:
                # What holds the interpreter runs all the while, and only the cancel can tell that it is wedged.
                if error.trouble == Trouble.SILENT and await self._is_restarting(batch, is_silent=True):
                    return BatchStatus.RUNNING
                raise
            self._look_at = time.monotonic() + _LOOK_S
            if await self._is_restarting(batch):
                return BatchStatus.RUNNING
        if self._wedged_by and self._wedged_by not in self._sent:
            self._wedged_by = ""
            await self._note_trouble("")
        if not self._is_in_touch and (self._sent or not (batch.cancel_requested or batch.is_paused)):
            await self._get_in_touch()
        await self._send(batch)
        return None if self._sent else await self._over(batch)

    async def _get_in_touch(self) -> None:
        """Find out that the server answers, before anything is claimed: see ``SqliteBatches.claim_next``."""
        await self._client.queue()
        await self._submitter.note_threads()
        self._is_in_touch, self._failures = True, 0
        await self._note_trouble("")
        await self._resume()

    async def _rest(self, patience_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), patience_s)
        self._woken.clear()

    async def _stay_away(self, batch: Batch, error: BackgroundJobError) -> None:
        self._is_in_touch = False
        self._failures += 1
        pause_s = dispatch_plan.backoff_s(self._failures)
        if isinstance(error, UnreachableError):
            if error.trouble == Trouble.SILENT:
                pause_s = min(pause_s, self._time_left(batch))
            # Whether it is still the same server cannot be told from another machine.
            self._in_touch_since = time.time() + pause_s
        self._say(f"waiting {pause_s:.0f} s: {error}")
        with contextlib.suppress(RegistryError):  # it may be the trouble itself, and has been told in a line
            await self._note_trouble(f"{error}. It is asked again in {pause_s:.0f} s")
        self._look_at = 0.0
        await self._sleep(batch, pause_s)

    async def _sleep(self, batch: Batch, pause_s: float) -> None:
        """Wait until the server is to be asked again, or somebody wishes something else of the batch."""
        until = time.monotonic() + pause_s
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _IDLE_LOOK_S))
            with contextlib.suppress(RegistryError):  # asked for again in a moment
                if (await self._batch()).wishes != batch.wishes:
                    self._failures = 0
                    return

    async def _over(self, batch: Batch) -> BatchStatus | None:
        counts = await lanes.journal(self._batches.counts, batch.batch_id)
        status = status_of(counts, cancel_requested=batch.cancel_requested, paused=batch.is_paused)
        if status not in TERMINAL:
            return None
        return status if await lanes.journal(self._batches.ended, batch.batch_id, at=time.time()) else None

    # -- what was sent ---------------------------------------------------------------------------------------------

    async def _look(self, batch: Batch) -> None:
        """Find out where everything is that was sent, by this dispatcher or one before."""
        sent = await lanes.journal(self._batches.at_server, self._batch_id)
        self._sent = {submission.prompt_id: submission for submission in sent}
        if not sent:
            return
        queue = await self._client.queue()
        for submission in sent:
            await self._look_at_one(batch, submission, queue)

    async def _look_at_one(self, batch: Batch, submission: Submission, queue: Queue) -> None:
        prompt_id = submission.prompt_id
        place, finished = await self._place(submission, queue)
        if place is Place.RUNNING:
            self._running_since.setdefault(prompt_id, time.monotonic())
        fate = fate_of(
            place,
            stage=submission.stage,
            server_is_new=place is Place.ABSENT and await self._server_is_new(submission),
            has_run=prompt_id in self._running_since or self._events.progress_of(prompt_id) is not None,
        )
        match fate:
            case Fate.KEEP:
                await self._keep(submission, queue)
                if batch.cancel_requested and place is Place.PENDING:  # whoever canceled died, or was not answered
                    await self._canceller.cancel_pending(prompt_id)
            case Fate.SETTLE:
                await self._settled(finished)
            case Fate.AGAIN:
                # Lost first: one that was to be stopped for its time limit has failed with that, and stays so.
                await self._end(prompt_id, End.LOST, REASONS[fate])
                await lanes.journal(self._batches.take_back, [prompt_id])
            case Fate.TAKEN_OUT:
                await self._end(prompt_id, End.CANCELLED, REASONS[fate])
            case Fate.FORGOTTEN:
                await self._end(prompt_id, End.FAILED, REASONS[fate])

    async def _place(self, submission: Submission, queue: Queue) -> tuple[Place, Finished | None]:
        deadline = time.monotonic() + (_LATE_S if submission.stage is Stage.SENDING else 0.0)
        prompt_id = submission.prompt_id
        while True:
            if queue.is_running(prompt_id):
                return Place.RUNNING, None
            if queue.position(prompt_id) is not None:
                return Place.PENDING, None
            # After the queue and not before: a prompt that ends in between is in the history by now.
            if finished := await self._client.finished(prompt_id):
                return Place.ENDED, finished
            if time.monotonic() >= deadline:
                return Place.ABSENT, None
            await asyncio.sleep(_LATE_LOOK_S)
            queue = await self._client.queue()

    async def _server_is_new(self, submission: Submission) -> bool:
        if submission.end is End.LOST:  # somebody who ended the server, or saw its end, has noted it
            return True
        began = await self._prompts.server_began()
        if began is None:  # on another machine: it is the same as long as we were never out of touch
            return submission.submitted_at < self._in_touch_since
        return began > submission.submitted_at

    async def _keep(self, submission: Submission, queue: Queue) -> None:
        self._events.follow(submission.prompt_id)
        if submission.stage is Stage.SENDING:
            item = queue.find(submission.prompt_id)
            number = item.number if item else None
            await lanes.journal(self._journal.answered, submission.prompt_id, Stage.ACCEPTED, number)

    async def _settle(self, prompt_id: str) -> None:
        """Settle a prompt that was heard to be over."""
        try:
            finished = await self._client.finished(prompt_id)
            await self._settled(finished)
        except (UnreachableError, RegistryError):
            self._look_at = 0.0  # which meets the same trouble, and waits
        self._woken.set()

    async def _settled(self, finished: Finished | None) -> None:
        if finished is None:
            return
        await self._prompts.note_end(finished)
        self._forget(finished.prompt_id)
        self._say(f"{finished.prompt_id} {finished.end}{_told(cause_of(finished))}")

    async def _end(self, prompt_id: str, end: End, reason: str) -> None:
        await lanes.journal(self._journal.ended, [prompt_id], end, at=time.time(), reason=reason)
        await self._events.forget(prompt_id)
        self._forget(prompt_id)
        self._say(f"{prompt_id} {end}: {reason}")

    def _forget(self, prompt_id: str) -> None:
        for kept in (self._sent, self._running_since, self._try_again_at):
            kept.pop(prompt_id, None)

    # -- what is to be sent ----------------------------------------------------------------------------------------

    async def _send(self, batch: Batch) -> None:
        while len(self._sent) < batch.max_queued:
            submission = await lanes.journal(self._batches.claim_next, batch.batch_id, at=time.time())
            if submission is None:
                return
            self._sent[submission.prompt_id] = submission
            try:
                answer = await self._submitter.send(submission)
            except UnreachableError as error:
                if error.nothing_done:
                    await lanes.journal(self._batches.take_back, [submission.prompt_id])
                    self._forget(submission.prompt_id)
                raise
            if isinstance(answer, Refused):
                self._forget(submission.prompt_id)
                self._say(f"{submission.prompt_id} refused: {cause_of_refusal(answer)}")

    # -- time limits -----------------------------------------------------------------------------------------------

    async def _is_restarting(self, batch: Batch, *, is_silent: bool = False) -> bool:
        """Stop what has run for too long; returns whether the server is about to be restarted for that."""
        limit_s = batch.prompt_timeout_s
        if limit_s is None:
            return False
        self._note_begun(is_silent=is_silent)
        now = time.monotonic()
        for prompt_id, since in list(self._running_since.items()):
            if now - since >= limit_s and now >= self._try_again_at.get(prompt_id, 0.0):
                await lanes.journal(self._journal.overdue, prompt_id, limit_s=limit_s)
                if await self._is_restarting_for(batch, prompt_id):
                    return True
        return False

    def _note_begun(self, *, is_silent: bool) -> None:
        """Note what was heard to run: a prompt that holds the interpreter is never seen to."""
        for prompt_id in self._sent:
            if heard := self._events.progress_of(prompt_id):
                self._running_since.setdefault(prompt_id, heard.moved_at)
        if is_silent and not self._running_since.keys() & self._sent.keys():
            # It may have begun without being heard: of several the first, since they run in this order.
            self._running_since |= dict.fromkeys(list(self._sent)[:1], time.monotonic())

    def _time_left(self, batch: Batch) -> float:
        """Return the seconds until a prompt runs into its time limit, or is to be stopped again for that."""
        if batch.prompt_timeout_s is None:
            return math.inf
        due = [
            max(since + batch.prompt_timeout_s, self._try_again_at.get(prompt_id, 0.0))
            for prompt_id, since in self._running_since.items()
        ]
        return max(0.0, min(due, default=math.inf) - time.monotonic())

    async def _is_restarting_for(self, batch: Batch, prompt_id: str) -> bool:
        cancelled = await self._canceller.cancel(prompt_id)
        self._say(f"{prompt_id} has run for {batch.prompt_timeout_s:g} s, and is stopped: {cancelled.verdict}")
        if cancelled.finished:
            self._forget(prompt_id)
        self._try_again_at[prompt_id] = time.monotonic() + _TRY_AGAIN_S
        if cancelled.verdict is not Verdict.WEDGED:
            return False
        self._wedged_by = prompt_id
        why = f"prompt {prompt_id} has run into its time limit, and ComfyUI is wedged ({cancelled.wedge})"
        if not batch.may_restart:
            await self._note_trouble(f"{why}: restart_comfyui(force=true) ends it, and the batch goes on")
            return False
        try:
            return not await self._restart()
        except BackgroundJobError as error:  # nobody here may or can; the batch waits for somebody who does
            await self._note_trouble(f"{why}, and could not be restarted: {error}")
            return False

    # -- the batch -------------------------------------------------------------------------------------------------

    async def _batch(self) -> Batch:
        batch = await lanes.journal(self._batches.get, self._batch_id)
        assert batch is not None  # noqa: S101  for the type checker: batches are never removed
        return batch

    async def _note_trouble(self, trouble: str) -> None:
        await lanes.journal(self._batches.note_trouble, self._batch_id, trouble)


def _told(cause: str) -> str:
    return f": {cause}" if cause else ""
