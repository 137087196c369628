"""What happens to prompts when a server ends: each one is submitted again or marked as lost."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from mcp_background_job.comfyui.prompts.cancel import stranger_of
from mcp_background_job.comfyui.prompts.submit import Submitter
from mcp_background_job.comfyui.wire.answers import Accepted, Queue, Refused
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.core.comfyui.submission import End, Submission
from mcp_background_job.core.text import counted, duration, one_line
from mcp_background_job.errors import UnreachableError, WouldLoseError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.seen import SeenQueue

Requeue = Literal["none", "pending", "all"]

#: How a lost prompt is submitted again afterwards.
SUBMIT_AGAIN = 'comfyui_submit(prompt_id="ID") submits a lost prompt again'

#: Why prompts were lost, by which ones were to be submitted again. With "all", only those without a workflow are.
_WHY_LOST: dict[Requeue, str] = {
    "none": f'by default (requeue="none") nothing is submitted again; requeue="pending" or "all" would have done it. '
    f"{SUBMIT_AGAIN}",
    "pending": f'requeue="pending" does not submit the running prompt again. {SUBMIT_AGAIN}',
    "all": "the workflow of a lost prompt is not known, so it cannot be submitted again",
}

#: The most prompts that a question to a person names, and the characters of a note.
_MAX_TOLD = 5
_NOTE = 60

#: Stands among the ids of prompts for those that nobody has seen.
UNSEEN = "unseen"

_REASON = "ComfyUI was stopped before it ended, and a restart empties its queue"
_BATCH_CANCELLED = "its batch was cancelled, and ComfyUI was stopped before it ended"


@dataclass(frozen=True)
class Luggage:
    """The prompts of a server that is about to end.

    Attributes:
        running: the running prompts.
        pending: the waiting ones, in order.
        of_batches: running or pending prompts that their batches submit again by themselves.
        cancelled: running or pending prompts of cancelled batches, which nobody submits again.
        is_guess: whether the server did not answer. These are then the journal's prompts without an end, and the queue
            as it was last seen; if it was never seen, the first prompt counts as the running one.
        seen_at: when the queue was last seen (seconds since the epoch), if the server did not answer and somebody has
            seen it.
    """

    running: tuple[Submission, ...] = ()
    pending: tuple[Submission, ...] = ()
    of_batches: tuple[Submission, ...] = ()
    cancelled: tuple[Submission, ...] = ()
    is_guess: bool = False
    seen_at: float | None = None

    @property
    def is_unseen(self) -> bool:
        """Whether there may be prompts of which nothing is known."""
        return self.is_guess and self.seen_at is None

    @property
    def all(self) -> tuple[Submission, ...]:
        """All prompts that would be lost if nobody submitted them again, in order."""
        return self.running + self.pending


@dataclass(frozen=True)
class Carried:
    """The results of submitting again: new ids by old ones; and prompts that the new server refused, with reasons."""

    requeued: dict[str, str]
    refused: dict[str, str]


async def pack(
    journal: Journal, batches: SqliteBatches, server: str, queue: Queue | None, seen: SeenQueue | None = None
) -> Luggage:
    """Journal a server's prompts, and return them; if it does not answer, those that it had when it was last seen."""
    luggage = await (_remembered(journal, server, seen) if queue is None else _there(journal, server, queue))
    cancelled = await lanes.journal(_of_cancelled, batches, luggage.of_batches)
    going_on = tuple(entry for entry in luggage.of_batches if entry not in cancelled)
    return replace(luggage, of_batches=going_on, cancelled=cancelled)


def _of_cancelled(batches: SqliteBatches, entries: tuple[Submission, ...]) -> tuple[Submission, ...]:
    known = {batch_id: batches.get(batch_id) for batch_id in {entry.batch_id for entry in entries} if batch_id}
    cancelled = {batch_id for batch_id, batch in known.items() if batch is not None and batch.cancel_requested}
    return tuple(entry for entry in entries if entry.batch_id in cancelled)


async def _there(journal: Journal, server: str, queue: Queue) -> Luggage:
    def entries() -> tuple[list[Submission], list[Submission]]:
        running, pending = (
            [journal.get(item.prompt_id) or stranger_of(item, server) for item in items]
            for items in (queue.running, queue.pending)
        )
        journal.record([entry for entry in (*running, *pending) if not entry.is_ours])
        return running, pending

    running, pending = await lanes.journal(entries)
    return _luggage(running, pending)


async def _remembered(journal: Journal, server: str, seen: SeenQueue | None) -> Luggage:
    known = await lanes.journal(journal.open_on, server)
    if seen is None:
        return _luggage(known[:1], known[1:], is_guess=True)
    running = [entry for entry in seen.running if entry.is_open]
    pending = [entry for entry in seen.pending if entry.is_open]
    there = {entry.prompt_id for entry in (*running, *pending)}
    pending += [entry for entry in known if entry.prompt_id not in there]
    await lanes.journal(journal.record, [entry for entry in (*running, *pending) if not entry.is_ours])
    return _luggage(running, pending, is_guess=True, seen_at=seen.at)


def _luggage(
    running: list[Submission], pending: list[Submission], *, is_guess: bool = False, seen_at: float | None = None
) -> Luggage:
    return Luggage(
        running=tuple(entry for entry in running if entry.batch_id is None),
        pending=tuple(entry for entry in pending if entry.batch_id is None),
        of_batches=tuple(entry for entry in (*running, *pending) if entry.batch_id is not None),
        is_guess=is_guess,
        seen_at=seen_at,
    )


def told(luggage: Luggage) -> str:
    """Return in words how certain the knowledge of a server's queue is."""
    if not luggage.is_guess:
        return ""
    if luggage.seen_at is not None:
        return (
            f"ComfyUI gave no answer, and its queue was last seen {duration(time.time() - luggage.seen_at)} ago: "
            "prompts that others have submitted since are lost and unknown; those that have ended since may run again"
        )
    guess = "; the first prompt without an end in the journal is taken for the running one" if luggage.all else ""
    return f"ComfyUI gave no answer, and its queue was never seen: what else was lost is unknown{guess}"


async def wish(journal: Journal, luggage: Luggage, requeue: Requeue) -> list[Submission]:
    """Record which prompts are to be submitted again, and that the others are not; returns them.

    This comes before their server is ended. If this process ends in between, the next look at the server finds the
    wish, and submits the prompts that the server does not have.
    """
    again = _carried(luggage, requeue)
    ids = [entry.prompt_id for entry in again]
    await take_back(journal, [entry for entry in luggage.all if entry.requeue and entry.prompt_id not in ids])
    await lanes.journal(journal.want_requeue, ids)
    return again


def _carried(luggage: Luggage, requeue: Requeue) -> list[Submission]:
    return [entry for entry in {"none": (), "pending": luggage.pending, "all": luggage.all}[requeue] if entry.graph]


def check_agreed(luggage: Luggage, requeue: Requeue, agreed: frozenset[str] | None) -> None:
    """Refuse to lose prompts beyond those that the person agreed to lose; ``None`` agrees to all.

    Raises:
        WouldLoseError: there are such prompts.
    """
    if agreed is None:
        return
    kept = {entry.prompt_id for entry in _carried(luggage, requeue)}
    lost = [entry for entry in luggage.all if entry.prompt_id not in kept]
    ids = {entry.prompt_id for entry in lost}
    if luggage.is_unseen:
        ids.add(UNSEEN)
    if ids - agreed:
        raise WouldLoseError(frozenset(ids), _at_stake(luggage, lost))


def _at_stake(luggage: Luggage, lost: list[Submission]) -> str:
    running = sum(entry in luggage.running for entry in lost)
    shown = [_of(entry) for entry in lost[:_MAX_TOLD]]
    more = [f"{len(lost) - _MAX_TOLD} more"] if len(lost) > _MAX_TOLD else []
    unseen = ["the rest of its queue, which was never seen"] if luggage.is_unseen else []
    count = f"{counted(len(lost), 'prompt')} ({running} running, {len(lost) - running} waiting)"
    return ", ".join([count, *shown, *more, *unseen])


def _of(entry: Submission) -> str:
    note = f" “{one_line(entry.note, _NOTE)}”" if entry.note else ""
    return f"{entry.prompt_id}{note} of {entry.client if entry.is_ours and entry.client else 'somebody else'}"


async def take_back(journal: Journal, entries: Iterable[Submission]) -> None:
    """Record that prompts are at their server as before, and need not be submitted again."""

    def note() -> None:
        for entry in entries:
            journal.resubmitted(entry.prompt_id, number=entry.number, at=entry.submitted_at)

    await lanes.journal(note)


async def leave_behind(journal: Journal, luggage: Luggage) -> None:
    """Mark all prompts as lost with their server; those to be submitted again, or with a batch, run again.

    Prompts of a cancelled batch are marked as cancelled.
    """
    now = time.time()
    lost = [entry.prompt_id for entry in (*luggage.all, *luggage.of_batches)]
    cancelled = [entry.prompt_id for entry in luggage.cancelled]
    await lanes.journal(journal.ended, lost, End.LOST, at=now, reason=_REASON)
    await lanes.journal(journal.ended, cancelled, End.CANCELLED, at=now, reason=_BATCH_CANCELLED)


def why_lost(luggage: Luggage, requeue: Requeue, again: Iterable[Submission]) -> str:
    """Return why prompts are lost, and how to submit one again; empty if none is lost."""
    carried = [entry.prompt_id for entry in again]
    return "" if all(entry.prompt_id in carried for entry in luggage.all) else _WHY_LOST[requeue]


async def requeue_wanted(journal: Journal, submitter: Submitter, client: Client) -> Carried:
    """Submit prompts again, under the same ids and in the same order, except those that the server already has.

    It has prompts whose sender ended before it could record them, and all of them if it was never ended.
    """
    wanted = await lanes.journal(journal.to_requeue, client.endpoint.url)
    requeued: dict[str, str] = {}
    refused: dict[str, str] = {}
    try:
        queue = await client.queue() if wanted else Queue((), ())
        for entry in wanted:
            answer = await _once(entry, queue, journal, submitter, client)
            if isinstance(answer, Refused):
                refused[entry.prompt_id] = answer.message
            elif answer:
                requeued[entry.prompt_id] = answer.prompt_id
    except UnreachableError as error:
        unsent = [entry.prompt_id for entry in wanted if entry.prompt_id not in requeued | refused]
        refused |= dict.fromkeys(unsent, f"not sent, and still to be sent: {error}")
    return Carried(requeued, refused)


async def _once(
    entry: Submission, queue: Queue, journal: Journal, submitter: Submitter, client: Client
) -> Accepted | Refused | None:
    """Submit a prompt unless the server has it; ``None`` if it has ended there."""
    prompt_id = entry.prompt_id
    if item := queue.find(prompt_id):
        await lanes.journal(journal.resubmitted, prompt_id, number=item.number, at=entry.submitted_at)
        return Accepted(prompt_id, item.number, ())
    # The history is read after the queue: a prompt that ends in between is in the history by now.
    if finished := await client.finished(prompt_id):
        await lanes.journal(journal.ended, [prompt_id], finished.end, at=finished.ended_at or time.time())
        return None
    # Each goes to the end of the queue: if several each went to the front, the last would be first.
    answer = await submitter.send(replace(entry, front=False))
    if not isinstance(answer, Refused):
        await lanes.journal(journal.resubmitted, prompt_id, number=answer.number, at=time.time())
    return answer
