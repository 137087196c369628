"""What happens to prompts when a server goes: each is submitted again or marked as lost, and none is forgotten."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

from mcp_background_job.comfyui.answers import Queue, Refused
from mcp_background_job.comfyui.cancel import stranger_of
from mcp_background_job.comfyui.submit import Submitter
from mcp_background_job.core.submission import End, Submission
from mcp_background_job.errors import UnreachableError
from mcp_background_job.registry.journal_base import Journal

Requeue = Literal["none", "pending", "all"]

_REASON = "ComfyUI was stopped before it ended, and keeps no queue over a restart"


@dataclass(frozen=True)
class Luggage:
    """The prompts of a server that is about to go.

    Attributes:
        running: the prompts that run.
        pending: those that wait, in order.
        is_guess: the server gave no answer, so this is what the journal has without an end; the first is taken for
            the one that runs.
    """

    running: tuple[Submission, ...] = ()
    pending: tuple[Submission, ...] = ()
    is_guess: bool = False

    @property
    def all(self) -> tuple[Submission, ...]:
        """All of them, in order."""
        return self.running + self.pending


@dataclass(frozen=True)
class Carried:
    """What became of the wished for: new ids by old ones, and those that the new server did not take, with why."""

    requeued: dict[str, str]
    refused: dict[str, str]


async def pack(journal: Journal, server: str, queue: Queue | None) -> Luggage:
    """Journal what a server has, and return it."""
    if queue is None:
        known = await asyncio.to_thread(journal.open_on, server)
        return Luggage(tuple(known[:1]), tuple(known[1:]), is_guess=True)

    def entries() -> tuple[list[Submission], list[Submission]]:
        running, pending = (
            [journal.get(item.prompt_id) or stranger_of(item, server) for item in items]
            for items in (queue.running, queue.pending)
        )
        journal.record([entry for entry in (*running, *pending) if not entry.is_ours])
        return running, pending

    running, pending = await asyncio.to_thread(entries)
    return Luggage(tuple(running), tuple(pending))


async def leave_behind(journal: Journal, luggage: Luggage, requeue: Requeue) -> list[Submission]:
    """Mark all as lost, since their server is gone, and those that are to be submitted again; returns the latter."""
    again = {"none": (), "pending": luggage.pending, "all": luggage.all}[requeue]
    again = [entry for entry in again if entry.graph]
    ids = [entry.prompt_id for entry in luggage.all]
    # The wish first: whoever finds a prompt lost and wished for submits it, should this process end in between.
    await asyncio.to_thread(journal.want_requeue, [entry.prompt_id for entry in again])
    await asyncio.to_thread(journal.ended, ids, End.LOST, at=time.time(), reason=_REASON)
    return again


async def requeue_wanted(journal: Journal, submitter: Submitter, server: str) -> Carried:
    """Submit again what is wished for, under the same ids and in the same order."""
    requeued: dict[str, str] = {}
    refused: dict[str, str] = {}
    for entry in await asyncio.to_thread(journal.to_requeue, server):
        try:
            answer = await submitter.send(entry)
        except UnreachableError as error:
            refused[entry.prompt_id] = f"not sent, it stays wished for: {error}"
            break
        if isinstance(answer, Refused):
            refused[entry.prompt_id] = answer.message
            continue
        await asyncio.to_thread(journal.resubmitted, entry.prompt_id, number=answer.number, at=time.time())
        requeued[entry.prompt_id] = answer.prompt_id
    return Carried(requeued, refused)
