"""What a subject is: something that a page shows and wants to hear of when it changes."""

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

#: Where somebody has looked to; plain JSON, which the page gives back as it got it. ``None`` before the first look.
#: A cursor of another process, or of another release, may come: what is not understood means "has seen nothing".
Cursor = Any


@dataclass(frozen=True)
class Seen:
    """What there is to see that a cursor has not seen.

    Attributes:
        cursor: behind it.
        facts: plain JSON.
    """

    cursor: Cursor
    facts: Facts


def _nothing(_caller: Caller, _request: Any) -> AbstractAsyncContextManager[object]:
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Subject(Generic[Request]):
    """Something that can be watched.

    Attributes:
        name: that pages know it by.
        request: the class of its arguments, a dataclass.
        look: returns what is new behind a cursor, ``None`` if nothing is.
        wait: returns when a look may find something behind a cursor: at once, if there is something already. It waits
            for events where there are any, and is cancelled when the page is answered for another subject.
        keep: is entered while any page watches it with this request, from before its first look to after its last:
            what would otherwise be set up anew for each wait, a connection to a runner say.
    """

    name: str
    request: type[Request]
    look: Callable[[Caller, Request, Cursor], Awaitable[Seen | None]]
    wait: Callable[[Caller, Request, Cursor], Awaitable[None]]
    keep: Callable[[Caller, Request], AbstractAsyncContextManager[object]] = _nothing
    asked: Asked[Request] = field(init=False)

    def __post_init__(self) -> None:
        """Make what checks its arguments."""
        object.__setattr__(self, "asked", Asked[Request](self.request))
