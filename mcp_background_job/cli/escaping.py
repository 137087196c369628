"""Makes text that a terminal cannot take for orders."""

from __future__ import annotations

from mcp_background_job.core.text import one_line

#: Characters of a command in a table; rich makes them fewer where the window is narrow.
_WIDTH = 200


def printable(text: str) -> str:
    """Return text on one line, with everything escaped that a terminal would obey."""
    return escaped(one_line(text, _WIDTH))


def escaped(text: str) -> str:
    """Return text with everything escaped that a terminal would obey."""
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)
