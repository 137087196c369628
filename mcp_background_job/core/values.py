"""``frozen`` makes classes of values as ``dataclass(frozen=True)`` does, in a tenth of the time.

``dataclass`` compiles up to six methods for each class, a millisecond in all, and a command of the command line loads
fifty such classes. Here all classes share the same functions, but for the method that makes a value: it is compiled for
a class when its first value is made, and a command never uses most of the classes that it loads. Fields, ``replace``,
``asdict`` and the rest are those of ``dataclasses``. Only the type checker keeps code from assigning to a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from typing import dataclass_transform  # of Python 3.11; nodes of a cluster may have 3.9
else:

    def dataclass_transform(**_: object) -> Callable[[Any], Any]:
        """Say nothing at run time."""
        return lambda function: function


Value = TypeVar("Value")

#: Stands for an argument that was not given, if each value makes its own default.
_OWN = object()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[Value]) -> type[Value]:
    """Make a class one of values: its fields are the arguments, and are compared, hashed and shown."""
    made = cast("Any", dataclass(cls, init=False, repr=False, eq=False))
    every = fields(made)
    known: Callable[[Any], Any] = attrgetter(*(item.name for item in every)) if every else _nothing
    shown = [item.name for item in every if item.repr]

    def __init__(self: Any, *given: Any, **named: Any) -> None:  # noqa: N807
        made.__init__ = _init_of(made, every)
        made.__init__(self, *given, **named)

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        return known(self) == known(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(known(self))

    def __repr__(self: Any) -> str:  # noqa: N807
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({told})"

    for method in (__init__, __eq__, __hash__, __repr__):
        if method.__name__ not in vars(cls):
            setattr(made, method.__name__, method)
    return made


def _nothing(_: object) -> tuple[()]:
    """Return all fields of a value that has none: nothing."""
    return ()


def _init_of(made: type, every: tuple[Field[Any], ...]) -> Callable[..., None]:
    """Compile the method that makes a value of a class with these fields."""
    names: dict[str, Any] = {"OWN": _OWN}
    arguments: list[str] = []
    lines: list[str] = []
    for item in every:
        name = item.name
        if item.default_factory is not MISSING:
            names[f"make_{name}"] = item.default_factory
            arguments.append(f"{name}=OWN")
            lines.append(f" self.{name} = make_{name}() if {name} is OWN else {name}")
        else:
            names[f"default_{name}"] = item.default
            arguments.append(name if item.default is MISSING else f"{name}=default_{name}")
            lines.append(f" self.{name} = {name}")
    text = "\n".join([f"def __init__(self, {', '.join(arguments)}):", *(lines or [" pass"])])
    exec(text, names)  # noqa: S102  of names of fields alone
    made_by = names["__init__"]
    made_by.__qualname__ = f"{made.__qualname__}.__init__"  # what an error names
    return made_by
