"""A command of the command line, as tables have it: its module is imported when it is run, and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple


class Command(NamedTuple):
    """A command, or a group of commands.

    Attributes:
        name: what is typed.
        path: of the function that carries it out, as ``module:function``; empty for a group that does nothing itself.
        about: what a list of commands says of it.
        is_own: we run it, and people need not see it.
        commands: those below it.
    """

    name: str
    path: str
    about: str
    is_own: bool = False
    commands: tuple[Command, ...] = ()

    def load(self) -> Callable[..., int | None]:
        """Return the function that carries it out."""
        module, _, name = self.path.partition(":")
        return getattr(import_module(module), name)

    def named(self, tokens: Sequence[str]) -> tuple[Command, list[str]]:
        """Return the command at or below this one that a line begins with, and what stands behind its name."""
        below = next((command for command in self.commands if [command.name] == list(tokens[:1])), None)
        return below.named(tokens[1:]) if below else (self, list(tokens))
