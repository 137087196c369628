"""Lines to be read: a log, a transcript. It follows their end until one looks back, and shows what was searched for."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mcp_background_job.cli.top import painting
from mcp_background_job.cli.top.searching import spans

if TYPE_CHECKING:
    import regex

_HIT = "reverse"
_HIT_HERE = "reverse bold underline"


class Line(NamedTuple):
    """A line to be read, and the name of its style."""

    text: str
    style: str = ""


def wrapped(lines: Sequence[Line], width: int) -> list[Line]:
    """Return lines none of which is wider than a window; what goes on below begins further in."""
    broken: list[Line] = []
    for line in lines:
        text = painting.harmless(line.text)
        indent = " " * min(len(text) - len(text.lstrip()) + 2, max(0, width // 2))
        parts = textwrap.wrap(text, max(1, width), subsequent_indent=indent) or [""]
        broken += (Line(part, line.style) for part in parts)
    return broken


class Pager(ScrollView, can_focus=True):
    """Lines, of which the last are shown until somebody scrolls away from them.

    Attributes:
        follows: whether the end is shown, whatever comes.
        here: the line that a search is at, if one is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "by(-1)", show=False),
        Binding("down", "by(1)", show=False),
        Binding("pageup", "windows(-1)", show=False),
        Binding("pagedown,space", "windows(1)", show=False),
        Binding("left", "sideways(-1)", show=False),
        Binding("right", "sideways(1)", show=False),
        Binding("home", "first", show=False),
        Binding("end", "last", show=False),
    ]

    class AtEdge(Message):
        """The first or the last line that is here is seen, and there may be more beyond."""

        def __init__(self, pager: Pager, *, is_top: bool) -> None:
            """Tells which."""
            super().__init__()
            self.pager = pager
            self.is_top = is_top

    class Asked(Message):
        """The very first line is asked for, or the last one, and may not be here."""

        def __init__(self, pager: Pager, *, first: bool) -> None:
            """Tells which."""
            super().__init__()
            self.pager = pager
            self.first = first

    follows = reactive(default=True)

    def __init__(self, *, id: str, wraps: bool = False, grows: bool = True) -> None:  # noqa: A002  the library's word
        """Begins empty; with ``wraps`` long lines go on below, else to the side; ``grows``: more come at the end."""
        super().__init__(id=id)
        self.here: int | None = None
        self.lines: Sequence[Line] = ()
        self._wraps = wraps
        self._grows = grows
        self._whole: Sequence[Line] = ()
        self._pattern: regex.Pattern[str] | None = None

    # -- what is shown -----------------------------------------------------------------------------------------------

    def show(self, lines: Sequence[Line], *, added_above: int = 0) -> None:
        """Take all lines; of those that stand above the ones that were here, how many are new."""
        if lines == self._whole:
            return
        self._whole = lines
        self._place(lines, added_above)

    def _place(self, lines: Sequence[Line], added_above: int) -> None:
        if self._wraps:
            lines = wrapped(lines, self.size.width)
        self.lines = lines
        widest = max((len(line.text) for line in lines), default=0)
        self.virtual_size = Size(widest, len(lines))
        if self.here is not None:
            self.here = self.here + added_above if lines else None
        if self.follows:
            self._scroll(y=self.max_scroll_y)
        elif added_above:
            self._scroll(y=self.scroll_offset.y + added_above)
        self.refresh()

    def on_resize(self) -> None:
        """Break lines anew, and stay at the end if that is followed."""
        self._place(self._whole, 0)

    def watch_follows(self) -> None:
        """Go to the end, or say that what comes will not be seen."""
        self.border_title = None if self.follows or not self._grows else "looking back: End follows again"
        if self.follows:
            self._scroll(y=self.max_scroll_y)

    def mark(self, pattern: regex.Pattern[str] | None, here: int | None = None) -> None:
        """Show where an expression is found; go to the line that is named."""
        self._pattern, self.here = pattern, here
        if here is not None:
            self.follows = False
            self._scroll(y=max(0, here - self.size.height // 2))
        self.refresh()

    def from_here(self, *, forward: bool) -> range:
        """Return the places of the lines to search, in order: from the last hit on, or from what is seen."""
        seen = len(self.lines) if self.follows else self.scroll_offset.y + (0 if forward else self.size.height)
        if forward:
            return range(seen if self.here is None else self.here + 1, len(self.lines))
        return range((min(seen, len(self.lines)) if self.here is None else self.here) - 1, -1, -1)

    def render_line(self, y: int) -> Strip:
        """Return a line of the window."""
        place, width = self.scroll_offset.y + y, self.size.width
        if place >= len(self.lines):
            return Strip.blank(width, painting.styled(""))
        line = self.lines[place]
        text = painting.harmless(line.text)
        segments = self._segments(text, line.style, is_here=place == self.here)
        left = self.scroll_offset.x
        whole = Strip(segments, cell_len(text))
        return whole.crop_extend(left, left + width, painting.styled(""))

    def _segments(self, text: str, style: str, *, is_here: bool) -> list[Segment]:
        over = painting.styled(style)
        if self._pattern is None:
            return [Segment(text, over)]
        hit = painting.styled(_HIT_HERE if is_here else _HIT)
        segments: list[Segment] = []
        behind = 0
        for begin, end in spans(self._pattern, text):
            segments += [Segment(text[behind:begin], over), Segment(text[begin:end], over + hit)]
            behind = end
        return [*segments, Segment(text[behind:], over)]

    # -- moving ------------------------------------------------------------------------------------------------------

    def action_by(self, lines: int) -> None:
        """Scroll by so many lines."""
        self._to(self.scroll_offset.y + lines)

    def action_windows(self, windows: int) -> None:
        """Scroll by so many windows."""
        self._to(self.scroll_offset.y + windows * max(1, self.size.height - 1))

    def action_sideways(self, steps: int) -> None:
        """Scroll to the side by half a window."""
        self._scroll(x=self.scroll_offset.x + steps * max(1, self.size.width // 2))

    def action_first(self) -> None:
        """Go to the very first line."""
        self.follows = False
        self.post_message(self.Asked(self, first=True))

    def action_last(self) -> None:
        """Go to the end, and follow it."""
        self.follows = True
        self.post_message(self.Asked(self, first=False))

    def on_mouse_scroll_up(self) -> None:
        """Look back."""
        self._to(self.scroll_offset.y - 3)

    def on_mouse_scroll_down(self) -> None:
        """Go on."""
        self._to(self.scroll_offset.y + 3)

    def _scroll(self, *, x: int | None = None, y: int | None = None) -> None:
        # Forced: the library scrolls nothing that has no scroll bar yet, and lines that were just taken give it one.
        self.scroll_to(x, y, animate=False, force=True)

    def _to(self, y: int) -> None:
        to = max(0, min(y, self.max_scroll_y))
        self.follows = False
        self._scroll(y=to)
        if y <= 0:
            self.post_message(self.AtEdge(self, is_top=True))
        if y >= self.max_scroll_y:
            self.post_message(self.AtEdge(self, is_top=False))
