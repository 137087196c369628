"""The life of a batch of prompts, in one table.

The status of a batch is not stored: it follows from its prompts. Stored are the wishes (that it be canceled, that it
pause) and the facts about each prompt.

    pending ──▶ running ──▶ succeeded | failed
       │ ▲        │ ▲
       ▼ │        ▼ │
      paused    canceling ──▶ canceled

It is over exactly if none of its prompts run and none may still run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from mcp_background_job.core.comfyui.submission import End, Stage


class PromptState(StrEnum):
    """The stage that a prompt of a batch is in."""

    PENDING = "pending"  #: it does not run, and will
    RUNNING = "running"  #: it was sent, and no end of it is known
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class BatchStatus(StrEnum):
    """The one word for the state of a batch."""

    PENDING = "pending"  #: no prompt has run
    RUNNING = "running"
    PAUSED = "paused"  #: nothing more is sent until it is resumed
    CANCELING = "canceling"  #: nothing more is sent, and prompts that were sent are not over
    SUCCEEDED = "succeeded"  #: every prompt has succeeded
    FAILED = "failed"  #: over, and some prompts have failed
    CANCELED = "canceled"  #: over, and some prompts were canceled


#: Statuses of a batch that is over.
TERMINAL = frozenset({BatchStatus.SUCCEEDED, BatchStatus.FAILED, BatchStatus.CANCELED})


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Prompts that were submitted as one piece of work.

    Times are seconds since the epoch.

    Attributes:
        batch_id: its id.
        server: the base URL of the server that runs it.
        created_at: when it was asked for.
        client: the client that asked for it.
        note: a description in that client's words.
        max_queued: how many of its prompts may be at the server at once.
        prompt_timeout_s: how long one prompt may run, in seconds; ``None``: no limit.
        may_restart: whether the server may be restarted to end a prompt that cannot be ended otherwise.
        cancel_requested_at: when somebody asked to cancel it.
        cancel_requested_by: who asked.
        paused_at: since when nothing more is sent.
        trouble: what keeps its prompts from being sent, in words; empty if nothing does.
        ended_at: when it was found to be over.
    """

    batch_id: str
    server: str
    created_at: float
    client: str = ""
    note: str = ""
    max_queued: int = 2
    prompt_timeout_s: float | None = None
    may_restart: bool = False
    cancel_requested_at: float | None = None
    cancel_requested_by: str = ""
    paused_at: float | None = None
    trouble: str = ""
    ended_at: float | None = None

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked to cancel it."""
        return self.cancel_requested_at is not None

    @property
    def wishes(self) -> tuple[bool, bool]:
        """The wishes of people about it, to compare with later ones."""
        return self.cancel_requested, self.is_paused

    @property
    def is_paused(self) -> bool:
        """Whether nothing more is to be sent for now."""
        return self.paused_at is not None


_STATE_OF_END = {
    End.COMPLETED: PromptState.SUCCEEDED,
    End.FAILED: PromptState.FAILED,
    End.CANCELLED: PromptState.CANCELED,
    End.LOST: PromptState.PENDING,  # the server took it along when it ended, and it is sent again
}


#: What people read instead of a status or a state, whose names are older.
_SPOKEN = {"canceled": "cancelled", "canceling": "cancelling"}


def spoken(status: str) -> str:
    """Return the word that people read for a status of a batch."""
    return _SPOKEN.get(status, status)


def state_of(stage: Stage, end: End | None) -> PromptState:
    """Return the state of a prompt, from its record in the journal."""
    if stage is Stage.REFUSED:
        return PromptState.FAILED
    if end is not None:
        return _STATE_OF_END[end]
    return PromptState.PENDING if stage is Stage.WAITING else PromptState.RUNNING


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many prompts of a batch are in each state."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0

    @property
    def total(self) -> int:
        """The number of all prompts."""
        return self.pending + self.running + self.ended

    @property
    def ended(self) -> int:
        """The number of prompts that are over."""
        return self.succeeded + self.failed + self.canceled

    @property
    def may_run(self) -> int:
        """The number of prompts that run or may still run."""
        return self.pending + self.running

    @property
    def in_words(self) -> str:
        """How many prompts are over, how those ended, and how many run."""
        ends = {"completed": self.succeeded, "failed": self.failed, "cancelled": self.canceled}
        how = ", ".join(f"{number} {end}" for end, number in ends.items() if number)
        running = f", {self.running} running" if self.running else ""
        return f"{self.ended} of {self.total} over{f' ({how})' if how else ''}{running}"


def count(groups: Iterable[tuple[Stage, End | None, int]]) -> Counts:
    """Return the counts of a batch, from groups of prompts with their sizes."""
    found = dict.fromkeys(PromptState, 0)
    for stage, end, number in groups:
        found[state_of(stage, end)] += number
    return Counts(**{str(state): number for state, number in found.items()})


def told_apart(counts: Counts, *, runs: int, waits: int) -> Counts:
    """Return the counts with those prompts that run at the server told apart from those that wait there.

    The server answered later than the counts were made, so it may also have prompts that were sent meanwhile. At least
    as many prompts run as it runs, whatever else waits, and the total stays the same.
    """
    running = min(max(runs, counts.running - waits), counts.may_run)
    return replace(counts, running=running, pending=counts.may_run - running)


def status_of(counts: Counts, *, cancel_requested: bool, paused: bool) -> BatchStatus:
    """Return the one word for a batch."""
    if counts.may_run:
        if cancel_requested:
            return BatchStatus.CANCELING
        if paused:
            return BatchStatus.PAUSED
        return BatchStatus.RUNNING if counts.running or counts.ended else BatchStatus.PENDING
    if counts.canceled and (cancel_requested or not counts.failed):
        return BatchStatus.CANCELED
    return BatchStatus.FAILED if counts.failed else BatchStatus.SUCCEEDED
