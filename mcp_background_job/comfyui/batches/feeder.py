"""Feeds prompts to one ComfyUI: decides for all its batches what is sent next, a few at a time, until none is left.

The journal has the state of each prompt; a feeder remembers nothing that its successor could not find out. So a feeder
may die at any moment: its successor looks where the prompts are, and continues.

    claim a waiting prompt       one statement, which checks cancels and pauses too
    send it                      under its own id, so that it can be found if the answer is lost
    hear that it is over         from the websocket, or at the next look
    settle it                    from the history, never from what was heard
    run the command at its end   if one was requested; for a batch when all of it is over
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mcp_background_job.comfyui.batches import feeder_plan
from mcp_background_job.comfyui.batches.batch_locks import BatchLocks
from mcp_background_job.comfyui.batches.ends import Ends
from mcp_background_job.comfyui.batches.limits import Limits
from mcp_background_job.comfyui.batches.looking import told_end
from mcp_background_job.comfyui.batches.pooling import Pooling
from mcp_background_job.comfyui.batches.sent import Say, Sent
from mcp_background_job.comfyui.prompts.cancel import Canceller
from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.prompts.results import cause_of_refusal
from mcp_background_job.comfyui.prompts.server_end import ServerEnds
from mcp_background_job.comfyui.prompts.submit import Submitter
from mcp_background_job.comfyui.prompts.witness import Witness
from mcp_background_job.comfyui.wire.answers import Refused
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.batch import TERMINAL, Batch, status_of
from mcp_background_job.errors import BackgroundJobError, InputPendingError, RegistryError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.attempts import SqliteAttempts
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.pools import SqlitePools
from mcp_background_job.registry.servers import SqliteServers

#: Seconds between two looks at a queue with our prompts; a look sees what the websocket does not report.
_LOOK_S = 0.5

#: Seconds between two looks at the journal while nothing can be sent: no event says that a batch was made or resumed.
_IDLE_LOOK_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts that a feeder works with.

    Attributes:
        client: the client of the server.
        batches: the table of batches.
        servers: the table that says what holds the server up.
        pools: the table of the other servers that share batches with this one.
        attempts: the table that says to which life of the server each prompt was sent.
        server_ends: finds out how such a life ended.
        journal: the table of prompts.
        events: report when a prompt is over.
        prompts: look for prompts.
        witness: notes the running prompts, and knows which one ran when the server ended.
        submitter: sends prompts.
        canceller: stops a prompt at its time limit.
        locks: the locks of the batches.
        ends: the commands at the ends of batches and prompts.
        restart: restarts the server if nothing else ends a prompt; returns whether this feeder goes on.
        resume: submits again the prompts that a restart of the server left to be submitted.
        say: prints a line for people.
    """

    client: Client
    batches: SqliteBatches
    servers: SqliteServers
    pools: SqlitePools
    attempts: SqliteAttempts
    server_ends: ServerEnds
    journal: Journal
    events: EventStream
    prompts: Prompts
    witness: Witness
    submitter: Submitter
    canceller: Canceller
    locks: BatchLocks
    ends: Ends
    restart: Callable[[], Awaitable[bool]]
    resume: Callable[[], Awaitable[object]]
    say: Say


class Feeder:
    """The feeder of one server."""

    def __init__(self, name: str, parts: Parts) -> None:
        """Takes the name under which it declares its end, and its parts."""
        self._name = name
        self._parts = parts
        self._server = parts.client.endpoint.url
        self._batches = parts.batches
        self._servers = parts.servers
        self._locks = parts.locks
        self._events = parts.events
        self._say = parts.say
        self._sent = Sent(
            client=parts.client,
            batches=parts.batches,
            journal=parts.journal,
            events=parts.events,
            prompts=parts.prompts,
            witness=parts.witness,
            canceller=parts.canceller,
            say=parts.say,
        )
        self._limits = Limits(
            sent=self._sent,
            journal=parts.journal,
            events=parts.events,
            canceller=parts.canceller,
            restart=parts.restart,
            hold=self._hold,
            say=parts.say,
        )
        self._pooling = Pooling(
            client=parts.client,
            events=parts.events,
            journal=parts.journal,
            batches=parts.batches,
            servers=parts.servers,
            pools=parts.pools,
            attempts=parts.attempts,
            ends=parts.server_ends,
            sent=self._sent,
            say=parts.say,
        )
        parts.submitter.when_refused(self._pooling.refused)
        self._pooled: set[str] = set()
        self._boot = ""
        #: By batch: the prompt whose output the batch's next prompt takes.
        self._awaited: dict[str, str] = {}
        self._woken = asyncio.Event()
        self._look_at = 0.0
        self._is_in_touch = False
        self._failures = 0

    async def run(self) -> None:
        """Work until nothing is left to do, or until the server is about to be restarted."""
        self._events.hold()
        self._events.when_over(self._heard)
        open_batches: dict[str, Batch] = {}
        while True:
            try:
                open_batches = await self._open_batches()
                if await self._is_done(open_batches):
                    return
            except (UnreachableError, RegistryError) as error:
                await self._stay_away(open_batches, error)
                continue
            await self._rest(_LOOK_S if self._sent.prompts else _IDLE_LOOK_S)

    async def _is_done(self, batches: Mapping[str, Batch]) -> bool:
        """Do the due work; returns whether this feeder has nothing more to do."""
        await self._parts.ends.tell(self._say)  # for work that ended before, although the server may not answer now
        if time.monotonic() >= self._look_at:
            try:
                await self._sent.look(self._server, batches)
            except UnreachableError as error:
                # A step that holds the interpreter keeps running, and only a cancel can tell that it is wedged.
                if error.trouble == Trouble.SILENT and await self._limits.is_restarting(batches, is_silent=True):
                    return True
                raise
            self._look_at = time.monotonic() + _LOOK_S
            if await self._limits.is_restarting(batches):
                return True
            await self._pooling.look()
            if self._limits.is_wedged:
                await self._pooling.leave_wedge()
        await self._limits.note_wedge_over()
        if not self._is_in_touch and (self._sent.prompts or await self._has_use_for_it(batches)):
            await self._get_in_touch()
        await self._send(batches)
        await self._parts.ends.look()
        return not await self._goes_on(batches)

    # -- what there is to do ---------------------------------------------------------------------------------------

    async def _open_batches(self) -> dict[str, Batch]:
        """Return the batches that are not over and that no other feeder works on."""
        found = {batch.batch_id: batch for batch in await lanes.journal(self._batches.on_server, self._server)}
        for batch_id in self._locks.held:
            if batch_id not in found:
                await self._let_go(batch_id)
        if new := await self._locks.take(found):
            await lanes.journal(self._batches.take_over, new)
            self._look_at = 0.0  # their former feeder may have left prompts at the server
        ours = {batch_id: batch for batch_id, batch in found.items() if self._locks.holds(batch_id)}
        return ours | await self._open_batches_of_pools()

    async def _open_batches_of_pools(self) -> dict[str, Batch]:
        """Return the open batches of pools. They have no locks: all members work on them, and release 1.0.0 on none."""
        found = await self._pooling.open_batches()
        for batch_id in self._pooled - found.keys():
            await self._tell_end(batch_id)
        if found.keys() - self._pooled:
            self._look_at = 0.0  # see above
        self._pooled = set(found)
        return found

    async def _let_go(self, batch_id: str) -> None:
        await self._tell_end(batch_id)
        if self._locks.holds(batch_id):
            await self._locks.give_back(batch_id)

    async def _tell_end(self, batch_id: str) -> None:
        batch = await lanes.journal(self._batches.get, batch_id)
        counts = await lanes.journal(self._batches.counts, batch_id)
        if batch is not None:
            status = status_of(counts, cancel_requested=batch.cancel_requested, paused=batch.is_paused)
            self._say(told_end(batch_id, status))

    async def _has_use_for_it(self, batches: Mapping[str, Batch]) -> bool:
        return await self._has_to_send(batches) or await self._parts.ends.awaits()

    async def _has_to_send(self, batches: Mapping[str, Batch]) -> bool:
        if any(not batch.cancel_requested and not batch.is_paused for batch in batches.values()):
            return True
        is_paused = (await lanes.journal(self._servers.get, self._server)).is_paused
        return not is_paused and await lanes.journal(self._servers.waits_alone, self._server)

    async def _goes_on(self, batches: Mapping[str, Batch]) -> bool:
        """Note which batches are over; returns whether anything is left to do."""
        at_server = self._sent.per_batch()
        is_open = [not await self._is_over(batch) for batch in batches.values() if not at_server[batch.batch_id]]
        await self._parts.ends.tell(self._say)
        if self._sent.prompts or any(is_open):
            return True
        # One statement: it sees work that was recorded before it, and later recorders see that this feeder ends.
        return not await lanes.journal(self._servers.end_feeding, self._server, self._name)

    async def _is_over(self, batch: Batch) -> bool:
        counts = await lanes.journal(self._batches.counts, batch.batch_id)
        status = status_of(counts, cancel_requested=batch.cancel_requested, paused=batch.is_paused)
        if status not in TERMINAL or not await lanes.journal(self._batches.ended, batch.batch_id, at=time.time()):
            return False
        self._pooled.discard(batch.batch_id)
        await self._let_go(batch.batch_id)
        return True

    # -- the server ------------------------------------------------------------------------------------------------

    async def _get_in_touch(self) -> None:
        """Find out that the server answers, before anything is claimed: see ``SqliteBatches.claim_next``."""
        await self._parts.client.queue()
        self._boot = await self._parts.submitter.note_threads()
        self._is_in_touch, self._failures = True, 0
        await self._hold("")
        await self._parts.resume()

    async def _hold(self, why: str) -> None:
        await lanes.journal(self._servers.hold, self._server, why, self._locks.held)

    async def _rest(self, patience_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), patience_s)
        self._woken.clear()

    async def _stay_away(self, batches: Mapping[str, Batch], error: BackgroundJobError) -> None:
        self._is_in_touch = False
        self._failures += 1
        pause_s = feeder_plan.backoff_s(self._failures)
        if isinstance(error, UnreachableError):
            if error.trouble == Trouble.SILENT:
                pause_s = min(pause_s, self._limits.time_left(batches))
            # On another machine, it cannot be told whether it is still the same server.
            self._sent.in_touch_since = time.time() + pause_s
        self._say(f"waiting {pause_s:.0f} s: {error}")
        with contextlib.suppress(RegistryError):  # the journal may be the trouble itself; a line has reported it
            await self._hold(f"{error}. It is asked again in {pause_s:.0f} s")
        if isinstance(error, UnreachableError):
            await self._bury(error)
        self._look_at = 0.0
        await self._sleep(pause_s)

    async def _bury(self, error: UnreachableError) -> None:
        """Give the prompts that were sent to an ended process to the other members of a pool."""
        if error.trouble == Trouble.REFUSED or self._parts.client.endpoint.job_id:
            with contextlib.suppress(RegistryError, UnreachableError):  # the next attempt tries again
                await self._pooling.bury()

    async def _sleep(self, pause_s: float) -> None:
        """Wait until the server is to be asked again, or until a batch comes or somebody changes what it should do."""
        until = time.monotonic() + pause_s
        wished: dict[str, tuple[bool, bool]] | None = None
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _IDLE_LOOK_S))
            with contextlib.suppress(RegistryError):  # the next round asks again
                now = await self._wishes()
                wished = now if wished is None else wished
                if now != wished:
                    self._failures = 0
                    return

    async def _wishes(self) -> dict[str, tuple[bool, bool]]:
        now = await lanes.journal(self._batches.on_server, self._server)
        of_pools = await self._pooling.open_batches()
        return {batch.batch_id: batch.wishes for batch in (*now, *of_pools.values())}

    async def _heard(self, prompt_id: str) -> None:
        """Settle a prompt that was reported to be over."""
        try:
            await self._sent.settle(prompt_id)
        except (UnreachableError, RegistryError):
            self._look_at = 0.0  # the next look meets the same trouble, and waits
        self._woken.set()

    # -- what is to be sent ----------------------------------------------------------------------------------------

    async def _is_awaited(self, batch_id: str, source: str) -> bool:
        if source in self._sent.prompts:
            return True
        if not self._pooling.has(batch_id):
            return False
        one = await lanes.journal(self._parts.journal.get, source)  # it may be at another member
        return one is not None and (one.is_open or one.is_waiting)

    async def _send(self, batches: Mapping[str, Batch]) -> None:
        # If a batch's next prompt takes the output of one that has not ended, other batches go first.
        waiting = {batch for batch, source in self._awaited.items() if await self._is_awaited(batch, source)}
        while self._is_in_touch and not self._sent.suspects:
            ready = [batch for batch in batches.values() if batch.batch_id not in waiting]
            ready = await self._pooling.may_send(ready)
            submission = await lanes.journal(
                self._batches.claim_next,
                self._server,
                feeder_plan.whose_turn(ready, self._sent.per_batch()),
                at=time.time(),
                is_alone=not self._sent.prompts,
                boot=self._boot,
            )
            if submission is None:
                return
            await self._sent.add(submission)
            try:
                answer = await self._parts.submitter.send(submission)
            except InputPendingError as error:
                await self._sent.take_back(submission)
                if submission.batch_id is None:
                    return
                self._awaited[submission.batch_id] = error.prompt_id
                waiting.add(submission.batch_id)
                continue
            except UnreachableError as error:
                if error.nothing_done:
                    await self._sent.take_back(submission)
                raise
            if isinstance(answer, Refused):
                self._sent.forget(submission.prompt_id)
                self._say(f"{submission.prompt_id} refused: {cause_of_refusal(answer)}")
