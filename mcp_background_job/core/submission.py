"""A submission to ComfyUI as the journal has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What the server said to a submission."""

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

    @property
    def is_open(self) -> bool:
        """Whether it is, or may be, at the server: not refused, and without an end."""
        return self.stage is not Stage.REFUSED and self.end is None
