"""Calls that are answered later: what an action leaves behind when its work, or its wait, goes on after the call.

A caller that can be told later (``Caller.takes_later``) is not told that the work goes on: the action raises
``GoesOn``, with all that it must know to answer at the end, and whoever carries the call writes that down. From then
on anybody in any process can look: ``Later.look`` answers as the call itself would have, had it waited so long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.values import frozen

#: What must be known to answer a call later: plain JSON.
State = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What work asks before it can go on.

    Attributes:
        mark: tells it from other questions of the same work.
        text: in words.
        fields: JSON schemas of what the answer has, by name.
        required: those that it must have.
    """

    mark: str
    text: str
    fields: dict[str, Any] = field(default_factory=lambda: {"text": {"type": "string", "title": "Answer"}})
    required: tuple[str, ...] = ("text",)


@dataclass(frozen=True, kw_only=True)
class Going:
    """Work that is not over.

    Attributes:
        doing: what it does, or waits for, in words.
        changed_at: when it last gave a sign (seconds since the epoch), if that is known.
        question: what it asks, if it waits for an answer.
    """

    doing: str
    changed_at: float | None = None
    question: Question | None = None


class GoesOn(Exception):  # noqa: N818  nothing has gone wrong
    """The work goes on, and its caller can be told later.

    Attributes:
        subject: the id by which the tools know the work; empty if it is not the call's own, and only the wait goes on.
        state: what ``Later`` must know of it.
    """

    def __init__(self, subject: str, state: State) -> None:
        """Takes both."""
        super().__init__(subject)
        self.subject = subject
        self.state = state


@frozen
class Later:
    """What can be done with the work that a call has left behind.

    Attributes:
        look: returns the report of the call if it is over, and else how it is going.
        stop: stops the work for certain; ``None`` if there is never more than a wait. It may take its time, but has the
            stop asked for before it first waits for anything of its own.
        answer: gives an answer to a question: what is in its fields, ``None`` if the person declined to answer.
        signs: returns what changes when the work does, without looking at the work: while it stays, so does all but the
            seconds in what a look tells. ``None`` if only a look can tell. It blocks, for moments.
        subjects: under which there are news of the end, which the report tells.
    """

    look: Callable[[Caller, State], Awaitable[Any]]
    stop: Callable[[Caller, State], Awaitable[object]] | None = None
    answer: Callable[[Caller, State, dict[str, Any] | None], Awaitable[object]] | None = None
    signs: Callable[[State], Hashable] = lambda _: None
    subjects: Callable[[State], list[str]] = lambda _: []
