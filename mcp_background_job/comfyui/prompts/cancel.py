"""Cancels prompts: executes the plan against the real server, and gathers evidence while it resists."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mcp_background_job.comfyui.process.job_life import JobLife
from mcp_background_job.comfyui.process.process import Baselines
from mcp_background_job.comfyui.prompts.cancel_plan import SILENT_LOOK_S, CancelPlan, Next, Sight, Step, Verdict
from mcp_background_job.comfyui.prompts.prompts import Located, Prompts, check_prompt_id, locate
from mcp_background_job.comfyui.prompts.taking_out import TakenOut, take_out
from mcp_background_job.comfyui.prompts.watch import Watch
from mcp_background_job.comfyui.prompts.wedge import Wedge, is_worker_dead, told, wedge_of
from mcp_background_job.comfyui.wire.answers import Finished, Queue, QueueItem, SystemStats
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.progress import as_text
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.errors import UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.journal_base import Journal

#: A look that took long (a queue of large graphs) is not repeated at once: looks may take a third of the time at most.
_LOOKS_SHARE = 3.0

#: Entries of the history among which a prompt is searched that was hit in place of another.
_RECENT = 5

#: The first release that checks for whom an interrupt is, see ``is_targeting``.
_FIRST_TARGETING = (0, 3, 57)

#: The number of looks for a prompt that was hit in place of another to reach its next step.
_HIT_LOOKS = 10
_HIT_LOOK_S = 0.1

#: Seconds: a prompt that is being sent is not at the server yet; a healthy server has it within milliseconds.
_SENDING_S = 1.0
_SENDING_LOOK_S = 0.02

#: The looks for the gap between two prompts, which is tens of milliseconds.
_GAP_LOOKS = 10
_GAP_LOOK_S = 0.05


@dataclass(frozen=True)
class Cancelled:
    """The result of a request to cancel.

    Attributes:
        verdict: the verdict in one word.
        prompt_id: the prompt that the request was about.
        finished: how the prompt ended, from the history.
        wedge: how the server is stuck, if it is.
        evidence: what was observed, in sentences.
        interrupts: the number of interrupts.
        took_s: seconds that it all took.
        dropped: pending prompts that were taken out of the queue.
        batches: batches that were canceled too.
        unsent: how many prompts of ours were canceled before they were sent.
        kept: pending prompts that could not be taken out, each with where it is instead.
        detail: what the verdict alone does not say.
        suspended_pid: the server's process, if a signal has stopped it.
        far_host: the server's machine, if it can only be restarted there.
    """

    verdict: Verdict
    prompt_id: str | None = None
    finished: Finished | None = None
    wedge: Wedge | None = None
    evidence: tuple[str, ...] = ()
    interrupts: int = 0
    took_s: float = 0.0
    dropped: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    unsent: int = 0
    kept: tuple[str, ...] = ()
    detail: str = ""
    suspended_pid: int | None = None
    far_host: str = ""


class Canceller:
    """Cancels prompts of one server."""

    def __init__(
        self, client: Client, journal: Journal, events: EventStream, prompts: Prompts, baselines: Baselines
    ) -> None:
        """Takes its parts."""
        self._client = client
        self._journal = journal
        self._events = events
        self._prompts = prompts
        self._baselines = baselines
        self._far_job: Callable[[], JobLife] | None = None

    def runs_as(self, life: Callable[[], JobLife]) -> None:
        """Takes a function that looks at the life of the job on another machine as which the server runs."""
        self._far_job = life

    async def cancel(
        self, prompt_id: str | None, *, clear_pending: bool = False, pending_only: bool = False
    ) -> Cancelled:
        """Stop a prompt, by default the running one; if asked to, first drop all pending ones, or drop only them."""
        began = time.monotonic()
        cancelled = await self._cancel(prompt_id, clear_pending=clear_pending, pending_only=pending_only)
        return replace(cancelled, took_s=time.monotonic() - began)

    async def _cancel(self, prompt_id: str | None, *, clear_pending: bool, pending_only: bool) -> Cancelled:
        if prompt_id is not None and await self._is_withdrawn(check_prompt_id(prompt_id)):
            return Cancelled(Verdict.CANCELLED, prompt_id)
        walk = await self._begin(prompt_id, CancelPlan())
        queue = await self._first_queue(walk)
        if prompt_id is None:
            queue = await self._between_prompts(walk, queue)
        if isinstance(queue, Cancelled):
            return queue
        taken = await self._drop(queue) if clear_pending or pending_only else TakenOut()
        dropped, kept = taken.out, taken.kept
        if pending_only:
            running = ", ".join(item.prompt_id for item in queue.running)
            detail = f"{len(dropped)} pending prompts were dropped; {running or 'nothing'} runs"
            return Cancelled(Verdict.CANCELLED, dropped=dropped, kept=kept, detail=detail)
        if prompt_id is None:
            if not queue.running:
                detail = "" if dropped or not queue.pending else f"{len(queue.pending)} wait in the queue"
                return Cancelled(Verdict.NOTHING_RUNNING, dropped=dropped, kept=kept, detail=detail)
            walk.prompt_id = queue.running[0].prompt_id
            await self._recall(walk)
        if walk.prompt_id in dropped:
            return Cancelled(Verdict.CANCELLED, walk.prompt_id, dropped=dropped, kept=kept)
        return replace(await self._go(walk), dropped=dropped, kept=kept)

    async def _between_prompts(self, walk: _Walk, queue: Queue | Cancelled) -> Queue | Cancelled:
        """Look again while nothing runs and something waits: this is so for a moment between two prompts (measured)."""
        for _ in range(_GAP_LOOKS):
            if isinstance(queue, Cancelled) or queue.running or not queue.pending:
                break
            await asyncio.sleep(_GAP_LOOK_S)
            queue = await self._first_queue(walk)
        return queue

    async def cancel_pending(self, prompt_id: str) -> Cancelled:
        """Take one pending prompt out of the queue; a running one is left alone."""
        began = time.monotonic()
        if await self._is_withdrawn(check_prompt_id(prompt_id)):
            cancelled = Cancelled(Verdict.CANCELLED, prompt_id)
        else:
            cancelled = await self._go(await self._begin(prompt_id, CancelPlan(only_pending=True)))
        return replace(cancelled, took_s=time.monotonic() - began)

    async def _is_withdrawn(self, prompt_id: str) -> bool:
        """Cancel a prompt that its batch has not sent yet; returns whether it was one."""
        if await lanes.journal(self._journal.withdraw, prompt_id, at=time.time()):
            return True
        deadline = time.monotonic() + _SENDING_S
        while time.monotonic() < deadline:
            submission = await lanes.journal(self._journal.get, prompt_id)
            if submission is None or submission.stage is not Stage.SENDING:
                break
            await asyncio.sleep(_SENDING_LOOK_S)
        return False

    # -- one prompt ------------------------------------------------------------------------------------------------

    async def _begin(self, prompt_id: str | None, plan: CancelPlan) -> _Walk:
        life = self._far_job() if self._far_job else None
        watch = Watch(self._client, self._baselines, self._events, life)
        walk = _Walk(prompt_id or "", plan, watch, time.monotonic())
        await self._recall(walk)
        await walk.watch.begin()
        return walk

    async def _recall(self, walk: _Walk) -> None:
        submission = await lanes.journal(self._journal.get, walk.prompt_id)
        walk.watch.submitted_at = submission.submitted_at if submission else None

    async def _first_queue(self, walk: _Walk) -> Queue | Cancelled:
        """Return the queue at the beginning, or the result of the request if there is no answer."""
        while True:
            try:
                queue = await self._client.queue(read_s=SILENT_LOOK_S)
            except UnreachableError as error:
                sight = await self._sight(walk, None, error)
                if verdict := walk.plan.see(sight).verdict:
                    return await self._result(walk, verdict, None, error)
            else:
                walk.plan.note_answer()
                return queue

    async def _go(self, walk: _Walk) -> Cancelled:
        while True:
            began = time.monotonic()
            located, error = None, None
            try:
                located = await locate(self._client, walk.prompt_id, read_s=SILENT_LOOK_S)
            except UnreachableError as trouble:
                error = trouble
            took_s = time.monotonic() - began
            following = walk.plan.see(await self._sight(walk, located, error))
            if following.verdict is not None:
                return await self._result(walk, following.verdict, located, error)
            await self._do(following, walk.prompt_id, located)
            if located:
                await self._events.moved(max(following.look_after_s, _LOOKS_SHARE * took_s))

    async def _sight(self, walk: _Walk, located: Located | None, error: UnreachableError | None) -> Sight:
        now = time.monotonic()
        await walk.watch.look(now, walk.prompt_id, located)
        return Sight(
            at=now,
            place=located.place if located else None,
            finished=located.finished if located else None,
            trouble=Trouble(error.trouble) if error else None,
            process_gone=await walk.watch.process_gone(),
            process_suspended=walk.watch.evidence.is_suspended,
            worker_dead=is_worker_dead(walk.watch.evidence),
        )

    async def _do(self, following: Next, prompt_id: str, located: Located | None) -> None:
        try:
            if following.step is Step.INTERRUPT:
                await self._client.interrupt(prompt_id, read_s=SILENT_LOOK_S)
            elif following.step is Step.DELETE:
                item = located.queue.find(prompt_id) if located and located.queue else None
                await self._remember([item] if item else [])
                await self._client.delete_pending([prompt_id], read_s=SILENT_LOOK_S)
            elif following.step is Step.FREE:
                await self._client.free(read_s=SILENT_LOOK_S)
        except UnreachableError:
            return  # the next look meets the same trouble and reports it

    async def _result(
        self, walk: _Walk, verdict: Verdict, located: Located | None, error: UnreachableError | None
    ) -> Cancelled:
        finished = located.finished if located else None
        detail = str(error) if error else ""
        took_s = time.monotonic() - walk.began
        if finished:
            await self._prompts.note_end(finished)
            detail = await self._hit_instead(walk, verdict)
        elif verdict is Verdict.CANCELLED:
            await lanes.journal(self._journal.ended, [walk.prompt_id], End.CANCELLED, at=time.time())
        elif verdict is Verdict.NOT_FOUND:
            known = await self._prompts.get(walk.prompt_id)
            detail = f"{known.status}: {known.reason}" if known.reason else known.status
        evidence = replace(walk.watch.evidence, silent_s=took_s if error else 0.0)
        is_wedged = verdict is Verdict.WEDGED
        return Cancelled(
            verdict,
            walk.prompt_id or None,
            finished=finished,
            wedge=wedge_of(evidence) if is_wedged else None,
            evidence=told(evidence) if is_wedged else (),
            interrupts=walk.plan.interrupts,
            took_s=took_s,
            detail=detail,
            suspended_pid=walk.watch.pid if is_wedged and evidence.is_suspended else None,
            far_host="" if self._client.endpoint.is_near else self._client.endpoint.host,
        )

    async def _hit_instead(self, walk: _Walk, verdict: Verdict) -> str:
        """Name the prompts that our interrupt hit because the server does not check for whom it is."""
        in_vain = walk.plan.interrupts - (verdict is Verdict.CANCELLED)
        if not in_vain:
            return ""
        began = time.time() - (time.monotonic() - walk.began)
        try:
            if is_targeting(await self._client.stats()):
                return ""
            hit = await self._hit_since(began, walk.prompt_id)
        except UnreachableError:  # one output that is not JSON breaks the history; the verdict stands all the same
            return ""
        return f"{hit}: servers before 0.3.57 stop whichever prompt runs, whatever the interrupt names" if hit else ""

    async def _hit_since(self, began: float, prompt_id: str) -> str:
        running: list[str] = []
        for _ in range(_HIT_LOOKS):
            running = [item.prompt_id for item in (await self._client.queue()).running]
            hit = [
                entry.prompt_id
                for entry in await self._client.history(_RECENT)
                if entry.end is End.CANCELLED and entry.prompt_id != prompt_id and (entry.ended_at or 0) >= began
            ]
            if hit:
                return f"{', '.join(hit)} was interrupted meanwhile"
            if not running:
                return ""
            await asyncio.sleep(_HIT_LOOK_S)  # the running prompt may have been hit, and ends at its next step
        return f"{', '.join(running)} runs now, and may stop at its next step"

    # -- the pending -----------------------------------------------------------------------------------------------

    async def _drop(self, queue: Queue) -> TakenOut:
        """Take out the prompts that are pending now."""
        await self._remember(queue.pending)
        taken = await take_out(self._client, self._events, [item.prompt_id for item in queue.pending])
        await lanes.journal(self._journal.ended, taken.out, End.CANCELLED, at=time.time())
        return taken

    async def _remember(self, items: Sequence[QueueItem]) -> None:
        """Journal prompts that somebody else submitted: the server forgets prompts that are taken out of its queue."""
        known = await lanes.journal(lambda: {item.prompt_id: self._journal.get(item.prompt_id) for item in items})
        strangers = [stranger_of(item, self._client.endpoint.url) for item in items if known[item.prompt_id] is None]
        await lanes.journal(self._journal.record, strangers)


def is_targeting(stats: SystemStats) -> bool:
    """Tell whether a server checks for whom an interrupt is; one that does not report its version may not."""
    version = tuple(int(part) for part in stats.version.lstrip("v").split(".")[:3] if part.isdecimal())
    return version >= _FIRST_TARGETING


def stranger_of(item: QueueItem, server: str) -> Submission:
    """Return the journal's entry for a prompt in the queue that is not ours."""
    return Submission(
        prompt_id=item.prompt_id,
        server=server,
        submitted_at=item.created_at or time.time(),
        graph=as_text(item.graph),
        extra_data=as_text(item.extra_data),
        number=item.number,
        stage=Stage.ACCEPTED,
        is_ours=False,
    )


@dataclass
class _Walk:
    """One cancel under way."""

    prompt_id: str
    plan: CancelPlan
    watch: Watch
    began: float
