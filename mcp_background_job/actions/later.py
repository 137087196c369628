"""Calls that are answered later: what an action leaves behind if its work, or its wait, goes on after the call.

If a caller can be told later (``Caller.takes_later``), the action does not report that the work goes on. It raises
``GoesOn`` with all that is needed to answer at the end, and the carrier of the call writes that down. From then on any
process can look: ``Later.look`` answers as the call itself would have, had it waited so long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.values import frozen

#: The state that is needed to answer a call later: plain JSON.
State = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question that work asks before it can go on.

    Attributes:
        mark: distinguishes it from other questions of the same work.
        text: the question in words.
        fields: JSON schemas of the answer's fields, by name.
        required: the fields that an answer must have.
    """

    mark: str
    text: str
    fields: dict[str, Any] = field(default_factory=lambda: {"text": {"type": "string", "title": "Answer"}})
    required: tuple[str, ...] = ("text",)


@dataclass(frozen=True, kw_only=True)
class Going:
    """Work that is not over.

    Attributes:
        doing: in words, what it does or waits for.
        changed_at: when it last gave a sign of life (seconds since the epoch), if known.
        question: its question, if it waits for an answer.
    """

    doing: str
    changed_at: float | None = None
    question: Question | None = None


class GoesOn(Exception):  # noqa: N818  nothing has gone wrong
    """The work goes on, and its caller can be told later.

    Attributes:
        subject: the id by which the tools know the work; empty if the work is not the call's own, and only its wait
        goes on.
        state: the state that ``Later`` needs.
    """

    def __init__(self, subject: str, state: State) -> None:
        """Takes both."""
        super().__init__(subject)
        self.subject = subject
        self.state = state


@frozen
class Later:
    """The operations on the work that a call has left behind.

    Attributes:
        look: returns the report of the call if it is over, and otherwise how it is going.
        stop: stops the work for certain; ``None`` if there is never more than a wait. It may take long, but requests
            the stop before its first own wait.
        answer: answers a question: with the values of its fields, or ``None`` if the person declined.
        signs: returns a value that changes when the work does, without looking at the work: as long as it is the same,
            a look would report the same, apart from seconds. ``None`` if only a look can tell. It blocks, for moments.
        subjects: the subjects of news about the end, which the report itself shows.
    """

    look: Callable[[Caller, State], Awaitable[Any]]
    stop: Callable[[Caller, State], Awaitable[object]] | None = None
    answer: Callable[[Caller, State, dict[str, Any] | None], Awaitable[object]] | None = None
    signs: Callable[[State], Hashable] = lambda _: None
    subjects: Callable[[State], list[str]] = lambda _: []
