"""A subject: something that a page shows, and whose changes it wants to see."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.asked import Asked
from mcp_background_job.actions.caller import Caller

Request = TypeVar("Request")

#: How far a page has seen a subject; plain JSON, which the page returns unchanged. ``None`` before the first look. A
#: cursor may come from another process or release: one that is not understood means "has seen nothing".
Cursor = Any


@dataclass(frozen=True)
class Seen:
    """The facts that a cursor has not seen.

    Attributes:
        cursor: a cursor behind them.
        facts: plain JSON.
    """

    cursor: Cursor
    facts: Facts


def _nothing(_caller: Caller, _request: Any) -> AbstractAsyncContextManager[object]:
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Subject(Generic[Request]):
    """Something that pages can watch.

    Attributes:
        name: the name by which pages know it.
        request: the dataclass of its arguments.
        look: returns the news behind a cursor, ``None`` if there are none.
        wait: returns once a look may find news behind a cursor, at once if there are any. It waits for events where
            they exist, and is cancelled if the page gets an answer about another subject.
        keep: is entered while any page watches this request, from before the first look until after the last. It holds
            what each wait would otherwise set up anew, such as a connection to a runner.
    """

    name: str
    request: type[Request]
    look: Callable[[Caller, Request, Cursor], Awaitable[Seen | None]]
    wait: Callable[[Caller, Request, Cursor], Awaitable[None]]
    keep: Callable[[Caller, Request], AbstractAsyncContextManager[object]] = _nothing
    asked: Asked[Request] = field(init=False)

    def __post_init__(self) -> None:
        """Make the object that checks its arguments."""
        object.__setattr__(self, "asked", Asked[Request](self.request))
