"""What an action is: a request, a handler, a report, and what it does to the world."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, TypeAdapter

from mcp_background_job.actions.asked import Asked
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.later import Later
from mcp_background_job.core.values import frozen

#: A report whose fields depend on the request.
Facts = dict[str, Any]


@frozen
class Picture:
    """A picture that is shown beside a report."""

    data: bytes
    mime_type: str


@frozen
class Illustrated:
    """A report with pictures."""

    facts: Facts
    pictures: list[Picture]


Report = BaseModel | Facts | Illustrated | str


def facts_of(report: BaseModel | Illustrated | Facts) -> Facts:
    """Return the fields of a report that have a value."""
    if isinstance(report, BaseModel):
        return report.model_dump(exclude_none=True)
    facts = report.facts if isinstance(report, Illustrated) else report
    return {name: value for name, value in facts.items() if value is not None}


Request = TypeVar("Request")
Reported = TypeVar("Reported", bound=Report)
Handler = Callable[[Caller, Request], Awaitable[Reported]]


class Effects(Enum):
    """What an action does to the world: what a carrier announces, and asks a person about."""

    LOOKS = "looks"  #: changes nothing
    NOTES = "notes"  #: changes what this program remembers
    ADDS = "adds"  #: makes files, takes nothing away, and changes nothing when it is repeated
    STARTS = "starts"  #: runs what the caller says, which may do anything
    ENDS = "ends"  #: ends what others may need


@frozen
class Action(Generic[Request, Reported]):
    """A use case.

    Attributes:
        handler: does it; its docstring says what, to whoever may call it.
        effects: on the world.
        waits_s: how long a call may take at most, where everything answers (seconds); 0 for those that do not wait.
        setup: what its caller must know of how this program is set up, said behind what it does.
        unmet: statuses of a report that is not what was asked for, and an error to whoever looks at that alone.
        form: of its report, where there is one form; otherwise it is a text, or depends on the request.
        later: what can be done with work that goes on after a call, if the call may be answered later.
        asks: the class of its requests, if it is a more particular one than the handler takes.
    """

    handler: Handler[Request, Reported]
    effects: Effects
    waits_s: float = 0.0
    form: type[BaseModel] | None = None
    setup: str = ""
    unmet: frozenset[str] = frozenset()
    later: Later | None = None
    asks: type[Any] | None = None

    @property
    def name(self) -> str:
        """Return the name that carriers know it by."""
        return getattr(self.handler, "__name__", "")

    @property
    def about(self) -> str:
        """Return what it does, in words for whoever may call it."""
        return "\n\n".join(part for part in (inspect.getdoc(self.handler), self.setup) if part)

    @cached_property
    def asked(self) -> Asked[Request]:
        """Return what makes its requests of arguments."""
        if self.asks is not None:
            return Asked(self.asks)
        *_, request = (kind for name, kind in get_type_hints(self.handler).items() if name != "return")
        return Asked(request)

    @property
    def arguments(self) -> TypeAdapter[Request]:
        """Return what checks arguments and describes them."""
        return self.asked.adapter

    def failure(self, report: Report) -> str | None:
        """Return, in a word for programs, why a report is not what was asked for; ``None`` if it is."""
        facts = report.facts if isinstance(report, Illustrated) else report
        if not isinstance(facts, dict):
            return None
        if facts.get("reachable") is False:
            return "unreachable"
        status = facts.get("status")
        return str(status) if status in self.unmet else None

    async def call(self, caller: Caller, arguments: Mapping[str, Any]) -> Reported:
        """Do it with arguments as they came over a wire.

        Raises:
            InvalidRequestError: the arguments cannot be used.
            BackgroundJobError: it could not be done.
        """
        return await self.handler(caller, self.asked.of(arguments))
