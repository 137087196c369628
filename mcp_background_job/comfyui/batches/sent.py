"""The prompts that a feeder has sent: where they are, and how they ended."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from mcp_background_job.comfyui.batches.feeder_plan import REASONS, Fate, fate_of
from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.prompts.cancel import Canceller
from mcp_background_job.comfyui.prompts.cancel_plan import Place
from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.prompts.results import cause_of
from mcp_background_job.comfyui.prompts.server_end import boot_of
from mcp_background_job.comfyui.prompts.witness import RAN, Witness
from mcp_background_job.comfyui.wire.answers import Finished, Queue
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.executors import lanes
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal_base import Journal

#: Seconds. The request of a dead sender may lie in the server's sockets; after this time the server has taken it.
_LATE_S = 1.5
_LATE_LOOK_S = 0.1

#: The reason of a prompt of a cancelled batch that its server has taken along.
_BATCH_CANCELLED = "its batch was cancelled, and ComfyUI ended before it did"

#: Prints a line about an event.
Say = Callable[[str], None]


class Sent:
    """The prompts at a server for which its feeder is responsible."""

    def __init__(
        self,
        *,
        client: Client,
        batches: SqliteBatches,
        journal: Journal,
        events: EventStream,
        prompts: Prompts,
        witness: Witness,
        canceller: Canceller,
        say: Say,
    ) -> None:
        """Takes its parts."""
        self._client = client
        self._batches = batches
        self._journal = journal
        self._events = events
        self._prompts = prompts
        self._witness = witness
        self._canceller = canceller
        self._say = say
        #: By id, in the order in which they run.
        self.prompts: dict[str, Submission] = {}
        #: Since when (on the monotonic clock) prompts run that were seen or reported to.
        self.running_since: dict[str, float] = {}
        #: The prompts that ran when the server ended earlier. Nothing is sent beside them.
        self.suspects: set[str] = set()
        #: The batches that were cancelled at the last look.
        self._cancelled: set[str] = set()
        #: At the last look, others' prompts came before all of ours.
        self._is_behind_others = False
        #: Since when the server was never out of reach (seconds since the epoch).
        self.in_touch_since = time.time()

    def per_batch(self) -> Counter[str | None]:
        """Return how many prompts of each batch are at the server."""
        return Counter(one.batch_id for one in self.prompts.values() if one.batch_id is not None)

    def of_batch(self, batch_id: str) -> list[str]:
        """Return the prompts of one batch."""
        return [prompt_id for prompt_id, one in self.prompts.items() if one.batch_id == batch_id]

    async def add(self, submission: Submission) -> None:
        """Add a prompt that is being sent."""
        self.prompts[submission.prompt_id] = submission
        if await self._witness.is_suspect(submission.prompt_id):
            self.suspects.add(submission.prompt_id)

    def forget(self, prompt_id: str) -> None:
        """Remove a prompt that is over, or was not sent."""
        for kept in (self.prompts, self.running_since):
            kept.pop(prompt_id, None)
        self.suspects.discard(prompt_id)

    async def look(self, server: str, batches: Mapping[str, Batch]) -> None:
        """Find out where every prompt is that this feeder or an earlier one sent."""
        sent = await lanes.journal(self._at_server, server, list(batches))
        self._cancelled = {batch_id for batch_id, batch in batches.items() if batch.cancel_requested}
        before, self.prompts = self.prompts, {}
        for submission in sent:
            if submission.prompt_id in before:
                self.prompts[submission.prompt_id] = submission
            else:
                await self.add(submission)
        if not sent:
            return
        queue = await self._client.queue()
        await self.judge([submission for submission in sent if await self._has_gone(submission, queue)])
        self._is_behind_others = self._others_come_first(queue)
        await self._witness.began(self._running())

    def _running(self) -> list[str]:
        return [one for one in self.prompts if one in self.running_since or self._events.progress_of(one) is not None]

    def _others_come_first(self, queue: Queue) -> bool:
        waiting = sorted(queue.pending, key=lambda item: item.number)
        return next((item.prompt_id not in self.prompts for item in (*queue.running, *waiting)), False)

    def _at_server(self, server: str, batch_ids: Iterable[str]) -> list[Submission]:
        singles = self._batches.fed_singles(server)
        of_batches = [one for batch_id in batch_ids for one in self._batches.at_server(batch_id)]
        here = [one for one in of_batches if one.server == server]  # a pool's batch has prompts at other members too
        return sorted(singles + here, key=_as_they_run)

    async def _has_gone(self, submission: Submission, queue: Queue) -> bool:
        """Do what is due for a prompt; returns whether its server has ended and taken it along."""
        prompt_id = submission.prompt_id
        place, finished = await self._place(submission, queue)
        if place is Place.RUNNING:
            self.running_since.setdefault(prompt_id, time.monotonic())
        server_is_new = place is Place.ABSENT and await self._server_is_new(submission)
        fate = fate_of(
            place,
            stage=submission.stage,
            server_is_new=server_is_new or submission.requeue,
            has_run=prompt_id in self.running_since or self._events.progress_of(prompt_id) is not None,
        )
        match fate:
            case Fate.KEEP:
                await self._keep(submission, queue)
                # The canceller died, or got no answer.
                if submission.batch_id in self._cancelled and place is Place.PENDING:
                    await self._canceller.cancel_pending(prompt_id)
            case Fate.SETTLE:
                await self._settled(finished)
            case Fate.AGAIN if not server_is_new:
                await self.take_back(submission)
            case Fate.AGAIN:
                return True
            case Fate.TAKEN_OUT:
                await self._end(prompt_id, End.CANCELLED, REASONS[fate])
            case Fate.FORGOTTEN:
                await self._end(prompt_id, End.FAILED, REASONS[fate])
        return False

    async def _place(self, submission: Submission, queue: Queue) -> tuple[Place, Finished | None]:
        deadline = time.monotonic() + (_LATE_S if submission.stage is Stage.SENDING else 0.0)
        prompt_id = submission.prompt_id
        while True:
            if queue.is_running(prompt_id):
                return Place.RUNNING, None
            if queue.position(prompt_id) is not None:
                return Place.PENDING, None
            # The history is read after the queue: a prompt that ends in between is in the history by now.
            if finished := await self._client.finished(prompt_id):
                return Place.ENDED, finished
            if time.monotonic() >= deadline:
                return Place.ABSENT, None
            await asyncio.sleep(_LATE_LOOK_S)
            queue = await self._client.queue()

    async def _server_is_new(self, submission: Submission) -> bool:
        if submission.end is End.LOST:  # another process that ended the server, or saw its end, has noted it
            return True
        endpoint = self._client.endpoint
        boot = boot_of(await lanes.scan(ServerProcess.find, endpoint), endpoint)
        if await self._witness.is_elsewhere(submission.prompt_id, boot):
            return True
        if not boot:
            await self._client.queue()  # the server may have ended since it answered, and then knows no prompt
        began = await self._prompts.server_began()
        if began is None:  # on another machine: it is the same server as long as we were never out of touch
            return submission.submitted_at < self.in_touch_since
        return began > submission.submitted_at

    async def _keep(self, submission: Submission, queue: Queue) -> None:
        self._events.follow(submission.prompt_id)
        if submission.stage is Stage.SENDING:
            item = queue.find(submission.prompt_id)
            number = item.number if item else None
            await lanes.journal(self._journal.answered, submission.prompt_id, Stage.ACCEPTED, number)

    async def settle(self, prompt_id: str) -> None:
        """Settle a prompt that was reported to be over.

        Raises:
            UnreachableError: the server does not say how it ended.
            RegistryError: the end cannot be recorded.
        """
        await self._settled(await self._client.finished(prompt_id))

    async def _settled(self, finished: Finished | None) -> None:
        if finished is None:
            return
        await self._prompts.note_end(finished)
        await self._acquit(finished.prompt_id)
        self.forget(finished.prompt_id)
        cause = cause_of(finished)
        self._say(f"{finished.prompt_id} {finished.end}{f': {cause}' if cause else ''}")

    async def _acquit(self, prompt_id: str) -> None:
        """Stop reporting that a prompt ran when the server ended: it is over now."""
        one = self.prompts.get(prompt_id)
        if prompt_id in self.suspects and one is not None and one.batch_id is not None:
            await lanes.journal(self._batches.tell, one.batch_id, "")

    async def take_back(self, submission: Submission) -> None:
        """Let a prompt wait again that was not sent, or has not arrived."""
        await lanes.journal(self._batches.take_back, [submission.prompt_id])
        await lanes.journal(self._batches.take_back_singles, [submission.prompt_id])
        self.forget(submission.prompt_id)

    async def judge(self, gone: Sequence[Submission]) -> None:
        """Send prompts again that went with their server, except those that have ended it twice, or only waited.

        A prompt that kills its server at once is neither seen nor reported to run. So if none of several is known to
        have run, the first one has, since they run in this order. It is sent alone next time: if the server ends again,
        it is the cause.
        """
        ran = {one for one in (submission.prompt_id for submission in gone) if one in self._running()}
        for place, submission in enumerate(gone):
            prompt_id = submission.prompt_id
            has_run = prompt_id in ran or (place == 0 and not ran and not self._is_behind_others)
            end = await self._witness.fatal(submission, ran=has_run)
            if end is not None and await self._witness.is_poison(prompt_id):
                await self._acquit(prompt_id)
                await self._end(prompt_id, End.FAILED, f"{RAN}, for the second time: {end.text}")
                continue
            if submission.batch_id in self._cancelled:
                await self._end(prompt_id, End.CANCELLED, _BATCH_CANCELLED)
                continue
            if end is None and submission.batch_id is None and submission.stage is Stage.SENDING:
                await self.take_back(submission)
                continue
            # Lost first: a prompt that was to be stopped at its time limit has failed with that, and stays so. A prompt
            # without a batch stays lost: its submitter may not want it any more.
            await self._end(prompt_id, End.LOST, f"{RAN}: {end.text}" if end else REASONS[Fate.AGAIN])
            await lanes.journal(self._batches.take_back, [prompt_id])
            if end is not None and submission.batch_id is not None:
                told = f"{RAN}: {end.text}. It is sent once more, by itself"
                await lanes.journal(self._batches.tell, submission.batch_id, f"prompt {prompt_id}: {told}")

    async def _end(self, prompt_id: str, end: End, reason: str) -> None:
        await lanes.journal(self._journal.ended, [prompt_id], end, at=time.time(), reason=reason)
        await self._events.forget(prompt_id)
        self.forget(prompt_id)
        self._say(f"{prompt_id} {end}: {reason}")


def _as_they_run(submission: Submission) -> tuple[bool, float, float]:
    return submission.number is None, submission.number or 0.0, submission.submitted_at
