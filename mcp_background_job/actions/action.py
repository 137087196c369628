"""What an action is: a request, a handler, a report, and what it does to the world."""

from __future__ import annotations

import dataclasses
import inspect
import reprlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, with_config

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.later import Later
from mcp_background_job.actions.meant import meant
from mcp_background_job.core.wire import refusal
from mcp_background_job.errors import InvalidRequestError

#: Characters of an argument, and of a name, that an error quotes; and how many problems it names.
_QUOTED = 100
_NAME = 60
_MAX_PROBLEMS = 5

#: Above all whole numbers of 64 bits: databases and files take no others as limits and offsets.
_MORE = 2**63

_SHORT = reprlib.Repr()  # does not look at all of a large value first, or of a deep one
_SHORT.maxstring = _SHORT.maxother = _QUOTED

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
        setup: what its caller must know of how this program is set up, said behind what it does.
        unmet: statuses of a report that is not what was asked for, and an error to whoever looks at that alone.
        form: of its report, where there is one form; otherwise it is a text, or depends on the request.
        later: what can be done with work that goes on after a call, if the call may be answered later.
    """

    handler: Handler[Request, Reported]
    effects: Effects
    waits_s: float = 0.0
    form: type[BaseModel] | None = None
    setup: str = ""
    unmet: frozenset[str] = frozenset()
    later: Later | None = None

    @property
    def name(self) -> str:
        """Return the name that carriers know it by."""
        return getattr(self.handler, "__name__", "")

    @property
    def about(self) -> str:
        """Return what it does, in words for whoever may call it."""
        return "\n\n".join(part for part in (inspect.getdoc(self.handler), self.setup) if part)

    @cached_property
    def _request(self) -> Any:
        """The class of its requests."""
        *_, request = (kind for name, kind in get_type_hints(self.handler).items() if name != "return")
        return request

    @cached_property
    def arguments(self) -> TypeAdapter[Request]:
        """Return what checks arguments and describes them."""
        return TypeAdapter(with_config(ConfigDict(extra="forbid"))(self._request))

    @cached_property
    def _kinds(self) -> dict[str, Any]:
        """The declared types of its arguments."""
        return get_type_hints(self._request, include_extras=True)

    @cached_property
    def _optional(self) -> frozenset[str]:
        """The names of arguments that may be left out."""
        unset = dataclasses.MISSING
        return frozenset(
            field.name
            for field in dataclasses.fields(self._request)
            if field.default is not unset or field.default_factory is not unset
        )

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
        return await self.handler(caller, self.request_of(arguments))

    def request_of(self, arguments: Mapping[str, Any]) -> Request:
        """Check arguments as they came over a wire.

        Raises:
            InvalidRequestError: they cannot be used; it says in one sentence which, and why.
        """
        if reason := refusal(dict(arguments)):
            raise InvalidRequestError(f"bad arguments: {reason}")
        if unknown := [name for name in arguments if name not in self._kinds]:
            raise InvalidRequestError(f"bad arguments: {_not_known(unknown, list(self._kinds))}")
        try:
            request = self.arguments.validate_python(meant(arguments, self._kinds, self._optional))
        except ValidationError as error:
            raise InvalidRequestError(_sentence(error)) from error
        for name in self._kinds:
            value = getattr(request, name)
            if isinstance(value, int) and not -_MORE <= value < _MORE:
                raise InvalidRequestError(f"bad arguments: {name}: a whole number of 64 bits, not {_quoted(value)}")
        return request


def _not_known(unknown: list[str], known: list[str]) -> str:
    from mcp_background_job.actions.synonyms import nearest  # noqa: PLC0415  only for a name that is not known

    told: list[str] = []
    for name in unknown[:_MAX_PROBLEMS]:
        near = nearest(name[:_NAME], known)
        told.append(f"{name[:_NAME]}: there is no such argument" + (f", do you mean {near}?" if near else ""))
    names = f"the arguments are {', '.join(known)}" if known else "there are no arguments"
    return f"{'; '.join(told)}; {names}"


def _sentence(error: ValidationError) -> str:
    problems = [
        f"{_where(problem['loc'])}: {problem['msg']}, not {_quoted(problem['input'])}" for problem in error.errors()
    ]
    more = len(problems) - _MAX_PROBLEMS
    return "bad arguments: " + "; ".join([*problems[:_MAX_PROBLEMS], *([f"and {more} more"] if more > 0 else [])])


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:_NAME] for part in location)


def _quoted(value: object) -> str:
    return _SHORT.repr(value)[:_QUOTED]
