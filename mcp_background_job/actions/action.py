"""An action: its request, its handler, its report, and its effects on the world."""

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
    """The effects of an action on the world: carriers announce them, and ask a person before some of them."""

    LOOKS = "looks"  #: changes nothing
    NOTES = "notes"  #: changes what this program remembers
    ADDS = "adds"  #: makes files, removes nothing, and changes nothing if repeated
    STARTS = "starts"  #: runs the caller's command, which may do anything
    ENDS = "ends"  #: ends something that others may need


@frozen
class Action(Generic[Request, Reported]):
    """A use case.

    Attributes:
        handler: carries out the action; its docstring is the description that callers read.
        effects: its effects on the world.
        waits_s: the longest time that a call takes if everything answers (seconds); 0 if the action does not wait.
        setup: facts about this program's configuration that the caller must know; appended to the description.
        unmet: statuses that mean that the request was not met; carriers then report an error.
        form: the class of its report, if there is a single one; otherwise the report is a text, or depends on the
            request.
        later: the operations on work that goes on after a call, if the call may be answered later.
        asks: the class of its requests, if it is a subclass of the one that the handler takes.
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
        """Return the name by which carriers know it."""
        return getattr(self.handler, "__name__", "")

    @property
    def about(self) -> str:
        """Return its description, for everybody who may call it."""
        return "\n\n".join(part for part in (inspect.getdoc(self.handler), self.setup) if part)

    @cached_property
    def asked(self) -> Asked[Request]:
        """Return the object that turns arguments into its requests."""
        if self.asks is not None:
            return Asked(self.asks)
        *_, request = (kind for name, kind in get_type_hints(self.handler).items() if name != "return")
        return Asked(request)

    @property
    def arguments(self) -> TypeAdapter[Request]:
        """Return the adapter that checks and describes its arguments."""
        return self.asked.adapter

    def failure(self, report: Report) -> str | None:
        """Return one word for programs on why a report does not meet its request; ``None`` if it does."""
        facts = report.facts if isinstance(report, Illustrated) else report
        if not isinstance(facts, dict):
            return None
        if facts.get("reachable") is False:
            return "unreachable"
        status = facts.get("status")
        return str(status) if status in self.unmet else None

    async def call(self, caller: Caller, arguments: Mapping[str, Any]) -> Reported:
        """Carry out the action with arguments as they came over a wire.

        Raises:
            InvalidRequestError: the arguments cannot be used.
            BackgroundJobError: the action failed.
        """
        return await self.handler(caller, self.asked.of(arguments))
