"""A submission to ComfyUI, as the journal records it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The server's response to a submission."""

    WAITING = "waiting"  # a prompt of a batch that is not sent yet
    SENDING = "sending"  # in the journal; whether it was sent or not, the server has not answered
    ACCEPTED = "accepted"
    REFUSED = "refused"


class End(StrEnum):
    """How an accepted submission ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost_to_restart"  # the server ended with its queue, and the prompt's end is not known otherwise


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One graph that was submitted to a server, and its end.

    Times are seconds since the epoch.

    Attributes:
        prompt_id: its id at the server.
        server: the server's base URL.
        submitted_at: when it was submitted, the last time if more than once.
        graph: the prompt in the API format, as JSON text; empty if unknown.
        extra_data: the data that was sent beside the graph, as JSON text.
        note: a description, in the words of the client that asked for it.
        client: the client that asked for it.
        front: whether it was to run before all others.
        number: its key in the server's queue, lowest first.
        stage: the server's response to it.
        end: how it ended, once it has.
        ended_at: when it ended.
        reason: why it ended so, in words.
        is_ours: False if somebody else submitted it, and this program cancelled it or carried it over a restart.
        requeue: whether it is to be submitted again once the server is ready.
        batch_id: the batch that it is part of.
        position: its place in the batch, from 0.
        graph_id: the key under which the graph is kept, if other prompts share it; without it, the prompt's own id.
        overrides: the differences of this prompt from that graph: values by path, as JSON text.
        started_at: when it began to run, if the report of its end says so.
        outputs: how many files it made, once it has ended.
        overdue_s: the time limit, in seconds, that it exceeded, for which it is stopped.
        retried_as: the prompt of the same batch that replaces it.
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
        """Whether it is or may be at the server: sent, not refused, and without an end."""
        return self.stage in (Stage.SENDING, Stage.ACCEPTED) and self.end is None

    @property
    def is_unheard(self) -> bool:
        """Whether it surely did not reach its server: if the server refuses a prompt, it gives a reason."""
        return self.stage is Stage.REFUSED and self.end is None and not self.reason

    @property
    def is_waiting(self) -> bool:
        """Whether its batch has not sent it yet."""
        return self.stage is Stage.WAITING and self.end is None


@dataclass(frozen=True, kw_only=True)
class Result:
    """The end of a submission, as its server reports it.

    Attributes:
        prompt_id: its id.
        end: how it ended.
        at: when it ended.
        started_at: when it began to run.
        outputs: how many files it made.
        reason: why it ended so, in words.
        content: the server's whole report, as JSON text.
    """

    prompt_id: str
    end: End
    at: float
    started_at: float | None = None
    outputs: int = 0
    reason: str = ""
    content: str
