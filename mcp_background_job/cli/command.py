"""A command of the command line, as a table has it: its module is imported when it is run, and not before."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A command.

    Attributes:
        name: what is typed.
        path: of the function that carries it out, as ``module:function``.
        about: what a list of commands says of it.
        is_own: we run it, and people need not see it.
    """

    name: str
    path: str
    about: str
    is_own: bool = False
