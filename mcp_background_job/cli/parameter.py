"""What a command says of its arguments beyond their types, as ``Annotated[int, Parameter(...)]``.

A command is declared once. ``binder`` reads the declaration for the usual line, and ``parser`` hands it to cyclopts for
all others. So this module imports neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

#: Makes a value of what was typed; the second argument is the option behind which it stood, empty for a positional one.
Converter = Callable[[str, str], Any]


class Parameter(NamedTuple):
    """What is said of one argument.

    Attributes:
        names: what is typed for an option; or what help calls a positional one.
        negative: what is typed to switch an option off.
        convert: makes a value of what was typed.
        help: what help says of it, where its command does not.
        is_required: whether one must be given, where the default does not say so.
        may_be_option: whether a positional one may begin with a hyphen.
    """

    names: tuple[str, ...] = ()
    negative: str = ""
    convert: Converter | None = None
    help: str = ""
    is_required: bool | None = None
    may_be_option: bool = False


def named(*names: str, negative: str = "") -> Parameter:
    """Return what is said of an argument that is called otherwise than in the code."""
    return Parameter(names, negative)
