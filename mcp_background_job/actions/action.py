"""What an action is: a request, a handler, a report, and what it does to the world."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, with_config

from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.wire import lone_surrogate
from mcp_background_job.errors import InvalidRequestError

#: Characters of an argument that an error quotes.
_QUOTED = 100

#: A report whose fields depend on the request.
Facts = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A picture that is shown beside a report."""

    data: bytes
    mime_type: str


@dataclass(frozen=True)
class Illustrated:
    """A report with pictures."""

    facts: Facts
    pictures: list[Picture]


Report = BaseModel | Facts | Illustrated | str
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


@dataclass(frozen=True)
class Action(Generic[Request, Reported]):
    """A use case.

    Attributes:
        handler: does it; its docstring says what, to whoever may call it.
        effects: on the world.
        waits_s: how long a call may take at most, where everything answers (seconds); 0 for those that do not wait.
        form: of its report, where there is one form; otherwise it is a text, or depends on the request.
    """

    handler: Handler[Request, Reported]
    effects: Effects
    waits_s: float = 0.0
    form: type[BaseModel] | None = None

    @property
    def name(self) -> str:
        """Return the name that carriers know it by."""
        return getattr(self.handler, "__name__", "")

    @property
    def about(self) -> str:
        """Return what it does, in words for whoever may call it."""
        return inspect.getdoc(self.handler) or ""

    @cached_property
    def arguments(self) -> TypeAdapter[Request]:
        """Return what checks arguments and describes them."""
        *_, request = (kind for name, kind in get_type_hints(self.handler).items() if name != "return")
        return TypeAdapter(with_config(ConfigDict(extra="forbid"))(request))

    async def call(self, caller: Caller, arguments: Mapping[str, Any]) -> Reported:
        """Do it with arguments as they came over a wire.

        Raises:
            InvalidRequestError: the arguments cannot be used.
            BackgroundJobError: it could not be done.
        """
        return await self.handler(caller, self.request_of(arguments))

    def request_of(self, arguments: Mapping[str, Any]) -> Request:
        """Check arguments as they came over a wire.

        Raises:
            InvalidRequestError: they cannot be used; it says in one sentence which, and why.
        """
        if text := lone_surrogate(dict(arguments)):
            raise InvalidRequestError(
                f"bad arguments: '{text:.{_QUOTED}}' holds half of a surrogate pair, which is no character"
            )
        try:
            return self.arguments.validate_python(arguments)
        except ValidationError as error:
            raise InvalidRequestError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    problems = (
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}, not {problem['input']!r:.{_QUOTED}}"
        for problem in error.errors()
    )
    return "bad arguments: " + "; ".join(problems)
