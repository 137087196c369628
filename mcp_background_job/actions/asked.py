"""Turns arguments, as they came over a wire, into a checked request."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from mcp_background_job.actions.meant import meant
from mcp_background_job.core.wire import refusal
from mcp_background_job.errors import InvalidRequestError

#: The most characters of an argument, and of a name, that an error quotes; and the most problems that it names.
_QUOTED = 100
_NAME = 60
_MAX_PROBLEMS = 5

#: The bound of whole numbers of 64 bits: databases and files take no larger limits and offsets.
_MORE = 2**63

_SHORT = reprlib.Repr()  # does not read all of a large or deep value
_SHORT.maxstring = _SHORT.maxother = _QUOTED

Request = TypeVar("Request")


class Asked(Generic[Request]):
    """Makes requests of one dataclass from arguments."""

    def __init__(self, request: Any) -> None:
        """Takes the class."""
        self._request = request

    @cached_property
    def adapter(self) -> TypeAdapter[Request]:
        """Return the adapter that checks and describes arguments."""
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

    def of(self, arguments: Mapping[str, Any]) -> Request:
        """Check arguments as they came over a wire.

        Raises:
            InvalidRequestError: they cannot be used; one sentence says which argument, and why.
        """
        if reason := refusal(dict(arguments)):
            raise InvalidRequestError(f"bad arguments: {reason}")
        if unknown := [name for name in arguments if name not in self._kinds]:
            raise InvalidRequestError(f"bad arguments: {_not_known(unknown, list(self._kinds))}")
        try:
            request = self.adapter.validate_python(meant(arguments, self._kinds, self._optional))
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
