"""What the terminal can do that ``top`` would draw on: whether its cursor can be moved, and whether it has colours."""

from __future__ import annotations

import os

from mcp_background_job.cli import terminal
from mcp_background_job.core.values import frozen

#: Names of terminals whose cursor stays on its line; those of no terminal too.
_STANDS = ("", "dumb", "unknown", "network", "dialup")

#: How names begin, and end, of those without colours: the video terminals of DEC and those that imitate them.
_PLAIN_BEGIN = ("vt1", "vt2", "vt3", "vt4", "vt5")
_PLAIN_END = ("-m", "-mono")


@frozen
class Ability:
    """What a terminal can do."""

    moves: bool = True
    has_colours: bool = True


def of_terminal(name: str | None) -> Ability:
    """Return what a terminal of this name can do; one that is not known here can do it all. Pure."""
    known = name or ""
    moves = known not in _STANDS
    return Ability(moves, moves and not (known.startswith(_PLAIN_BEGIN) or known.endswith(_PLAIN_END)))


def trouble() -> str | None:
    """Return why nothing can be drawn, ``None`` if it can."""
    if not (os.isatty(0) and terminal.for_people() and os.isatty(2)):
        return "top draws on a terminal and reads its keys: run it in one, or use list, which a pipe can read"
    if not of_terminal(os.environ.get("TERM")).moves:
        name = os.environ.get("TERM") or "not set"
        return f"top needs a terminal whose cursor can be moved, and TERM is {name}: use list --watch and logs"
    return None


def in_colour() -> bool:
    """Tell whether colours are wanted, and can be shown. Nothing is told by colour alone."""
    return not os.environ.get("NO_COLOR") and of_terminal(os.environ.get("TERM")).has_colours
