"""A submission to ComfyUI as the journal has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What the server said to a submission."""

    WAITING = "waiting"  # a prompt of a batch that is not sent yet
    SENDING = "sending"  # journalled; sent or not, it has not been answered
    ACCEPTED = "accepted"
    REFUSED = "refused"


class End(StrEnum):
    """How an accepted submission ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost_to_restart"  # the server ended and took its queue along; what became of it is not known otherwise


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One graph that was submitted to a server, and what became of it.

    Times are seconds since the epoch.

    Attributes:
        prompt_id: its id at the server.
        server: the server's base URL.
        submitted_at: when, the last time if more than once.
        graph: in the API format, as JSON text; empty if unknown.
        extra_data: what was sent beside the graph, as JSON text.
        note: what it is, in the words of whoever asked.
        client: who asked.
        front: whether it was to go before all others.
        number: its place in the server's queue, lowest first.
        stage: what the server said to it.
        end: how it ended, once it has.
        ended_at: when.
        reason: in words, why it ended so.
        is_ours: False if somebody else submitted it; it is here because we cancelled it or carried it over a restart.
        requeue: whether it is to be submitted again once the server is ready.
        batch_id: the batch that it is part of.
        position: its place in the batch, from 0.
        graph_id: under which the graph is kept, if other prompts share it; the prompt's own without it.
        overrides: what is different from that graph in this prompt: values by path, as JSON text.
        started_at: when it began to run, as far as its end has told.
        outputs: how many files it made, once it has ended.
        overdue_s: the time limit that it ran into, for which it is stopped.
        retried_as: the prompt of the same batch that was made to take its place.
    """

    prompt_id: str
    server: str
    submitted_at: float
    graph: str
    extra_data: str = "{}"
    note: str = ""
    client: str = ""
    front: bool = False
    number: float | None = None
    stage: Stage
    end: End | None = None
    ended_at: float | None = None
    reason: str = ""
    is_ours: bool = True
    requeue: bool = False
    batch_id: str | None = None
    position: int | None = None
    graph_id: str | None = None
    overrides: str = ""
    started_at: float | None = None
    outputs: int | None = None
    overdue_s: float | None = None
    retried_as: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is, or may be, at the server: sent, not refused, and without an end."""
        return self.stage in (Stage.SENDING, Stage.ACCEPTED) and self.end is None

    @property
    def is_unheard(self) -> bool:
        """Whether it surely did not reach its server: one that the server refused has its reason."""
        return self.stage is Stage.REFUSED and self.end is None and not self.reason

    @property
    def is_waiting(self) -> bool:
        """Whether its batch has yet to send it."""
        return self.stage is Stage.WAITING and self.end is None


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a submission ended, as its server tells it.

    Attributes:
        prompt_id: its id.
        end: how.
        at: when.
        started_at: when it began to run.
        outputs: how many files it made.
        reason: in words, why it ended so.
        content: all that the server tells of it, as JSON text.
    """

    prompt_id: str
    end: End
    at: float
    started_at: float | None = None
    outputs: int = 0
    reason: str = ""
    content: str
