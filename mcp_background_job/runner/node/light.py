"""Replaces ``dataclasses`` in a runner on a node: that module would take a third of the start.

Python's module writes and compiles methods for every class. The methods here are the same for all classes, and slower,
but they are seldom used. Python's module does everything else, also for classes of Python's modules. Only types keep
code from changing a frozen value, and they were checked.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable, cast

_NAME = "dataclasses"

#: A module that is quicker than Python's, but needs that too.
_QUICKER = "mcp_background_job.core.values"

#: The attribute in which a class keeps its fields: their names, and the defaults of their values.
_FIELDS = "_light_fields"

_NO_DEFAULT = object()


class _Factory:
    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class Named:
    """A field, for code that reads its name and its annotation."""

    def __init__(self, name: str, annotation: str) -> None:
        """Takes both."""
        self.name = name
        self.type = annotation


class _Record:
    """The methods of all classes."""

    def __init__(self, *values: Any, **named: Any) -> None:
        defaults = getattr(self, _FIELDS)
        given = {**dict(zip(defaults, values)), **named}
        if len(given) != len(values) + len(named) or not given.keys() <= defaults.keys():
            raise TypeError(f"{type(self).__name__} takes {', '.join(defaults)}, each once")
        for name, default in defaults.items():
            value = given.get(name, default)
            if value is _NO_DEFAULT:
                raise TypeError(f"{type(self).__name__} lacks {name}")
            self.__dict__[name] = value.make() if isinstance(value, _Factory) else value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _values(other) == _values(self)

    def __hash__(self) -> int:
        return hash(tuple(_values(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in _values(self).items())})"


def _values(record: Any) -> dict[str, Any]:
    return {name: vars(record)[name] for name in getattr(record, _FIELDS)}


def dataclass(kind: type | None = None, **options: bool) -> Any:
    """Do as Python's function does."""
    return functools.partial(_dressed, options=options) if kind is None else _dressed(kind, options)


def frozen(kind: type) -> type:
    """Do as ``core.values.frozen`` does."""
    return _dressed(kind, {"frozen": True})


def _dressed(kind: type, options: dict[str, bool]) -> type:
    own = vars(kind)
    if options.keys() - {"frozen"} or any(type(value).__name__ == "Field" for value in own.values()):
        for name in [name for name, value in own.items() if isinstance(value, _Factory)]:
            setattr(kind, name, _pythons().field(default_factory=own[name].make))
        return cast("type", _pythons().dataclass(**options)(kind))
    setattr(kind, _FIELDS, {name: own.get(name, _NO_DEFAULT) for name in kind.__annotations__})
    for name in ("__init__", "__eq__", "__hash__", "__repr__"):
        setattr(kind, name, vars(_Record)[name])
    return kind


def field(**options: Any) -> Any:
    """Do as Python's function does."""
    if options.keys() == {"default_factory"}:
        return _Factory(options["default_factory"])
    return _pythons().field(**options)


def fields(kind: Any) -> Any:
    """Do as Python's function does."""
    if hasattr(kind, _FIELDS):
        return [Named(name, kind.__annotations__[name]) for name in getattr(kind, _FIELDS)]
    return _pythons().fields(kind)


def replace(record: Any, **changes: Any) -> Any:
    """Do as Python's function does."""
    if hasattr(record, _FIELDS):
        return type(record)(**{**_values(record), **changes})
    return _pythons().replace(record, **changes)


def __getattr__(name: str) -> Any:
    """Return an attribute that only Python's module has."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_pythons(), name)


@functools.cache
def _pythons() -> Any:
    ours = sys.modules.pop(_NAME, None)
    try:
        return __import__(_NAME)
    finally:
        if ours:
            sys.modules[_NAME] = ours


def take_the_place_of_dataclasses() -> None:
    """Make this module what later imports of ``dataclasses``, and of ``core.values``, get."""
    sys.modules[_NAME] = sys.modules[_QUICKER] = sys.modules[__name__]
