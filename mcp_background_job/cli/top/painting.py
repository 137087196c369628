"""Turns text that anybody may have written into cells of the screen: no markup, no orders to the terminal, no overflow.

All that ``top`` shows of jobs, renders and runs goes through here.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip

from mcp_background_job.core.output.harmless import shown
from mcp_background_job.core.text import shortened
from mcp_background_job.core.wire import utf8

#: Styles by name: colours are of the terminal's own palette, so that they fit its background.
_STYLES: dict[str, Style] = {}

#: Characters of one text that are looked at; no terminal is wider.
_WIDEST = 4000

_TAB = 8


def harmless(text: str) -> str:
    """Return text on one line in which nothing is left that a terminal would obey or that reorders it."""
    cut = utf8(shortened(text, _WIDEST))
    return shown(cut.expandtabs(_TAB).replace("\n", " "))


def content(text: str, style: str = "") -> Content:
    """Return such text for a widget, which would take plain text for markup."""
    return Content.styled(harmless(text), style) if style else Content(harmless(text))


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """Return such text in exactly so many cells: cut with an ellipsis, or filled up with spaces."""
    clean = harmless(text)
    room = width - cell_len(clean)
    if room < 0:
        return set_cell_size(clean, width - 1) + "…" if width else ""
    return " " * room + clean if right else clean + " " * room


def strip(cells: Iterable[tuple[str, str]], width: int, style: str = "") -> Strip:
    """Return a line of the screen: pieces of fitted text with the names of their styles, over one for the line."""
    over = styled(style)
    segments = [Segment(text, over + styled(name)) for text, name in cells]
    return Strip(segments).adjust_cell_length(width, over)


def styled(name: str) -> Style:
    """Return the style with this name."""
    if name not in _STYLES:
        _STYLES[name] = Style.parse(name)
    return _STYLES[name]
