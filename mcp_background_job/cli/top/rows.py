"""A list of any length, of which only the rows are there that are seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mcp_background_job.cli.top import painting
from mcp_background_job.cli.top.columns import GAP, Column, Facts, Placed, layout, status_style

#: Rows that are asked for above and below those that are seen, so that a short way is gone without waiting.
_MARGIN = 10


class Rows(ScrollView, can_focus=True):
    """A list with a cursor, which stays on its row wherever that goes.

    Attributes:
        total: how many rows there are.
        cursor: the place of the row that is meant by keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000000)", show=False),
        Binding("end", "move(1000000000)", show=False),
    ]

    class Moved(Message):
        """Another row is meant now, or the same one has changed."""

    class Wanted(Message):
        """Rows are seen that are not there."""

    class Chosen(Message):
        """Enter was pressed, or the row under the cursor was clicked once more."""

    def __init__(self, columns: Sequence[Column], key: str, *, id: str) -> None:  # noqa: A002  the library's word
        """Begins empty; ``key`` is the field that tells rows apart."""
        super().__init__(id=id)
        self.total = 0
        self.cursor = 0
        self._columns = columns
        self._key = key
        self._first = 0
        self._facts: Sequence[Facts] = ()
        self._placed: list[Placed] = []
        self._drawn: dict[int, Strip] = {}

    @property
    def wanted(self) -> tuple[int, int]:
        """The place of the first row that is to be there, and how many."""
        first = max(0, self.scroll_offset.y - _MARGIN)
        return first, self.scroll_offset.y - first + max(1, self.size.height) + _MARGIN

    @property
    def current(self) -> Facts | None:
        """The row that is meant, if it is there."""
        return self._at(self.cursor)

    def show(self, facts: Sequence[Facts], *, first: int = 0, total: int | None = None) -> None:
        """Take rows from a place on, and how many there are in all."""
        was = self.current
        self._first, self._facts = first, facts
        self.total = len(facts) if total is None else total
        self.virtual_size = Size(0, self.total)
        self.cursor = self._place_of(was)
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False)
        self._repaint()
        self.post_message(self.Moved())

    def _place_of(self, was: Facts | None) -> int:
        """Return where the row is now that was meant; if it is not here, the cursor stays where it is."""
        if was is not None:
            for place, facts in enumerate(self._facts, start=self._first):
                if facts[self._key] == was[self._key]:
                    return place
        return max(0, min(self.cursor, self.total - 1))

    def _at(self, place: int) -> Facts | None:
        inside = place - self._first
        return self._facts[inside] if 0 <= inside < len(self._facts) else None

    # -- drawing -----------------------------------------------------------------------------------------------------

    def heading(self) -> str:
        """Return the names of the columns, above their cells."""
        return (" " * GAP).join(
            painting.fitted(one.column.title, one.width, right=one.column.is_right) for one in self._placed
        )

    def on_resize(self, event: events.Resize) -> None:
        """Take the columns that there is room for now."""
        del event
        self._placed = layout(self._columns, self.size.width)
        self._drawn.clear()
        self.refresh()
        self._look_for_missing()

    def _repaint(self) -> None:
        """Draw again the lines that have changed: over a slow line every cell counts."""
        top = self.scroll_offset.y
        before, self._drawn = self._drawn, {}
        for place in range(top, top + self.size.height):
            self._drawn[place] = self._line(place)
            if self._drawn[place] != before.get(place):
                self.refresh_line(place)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """See whether rows are missing where the list was scrolled to."""
        super().watch_scroll_y(old_value, new_value)
        self._look_for_missing()

    def _look_for_missing(self) -> None:
        top = self.scroll_offset.y
        seen = range(top, min(top + self.size.height, self.total))
        if seen and (self._at(seen[0]) is None or self._at(seen[-1]) is None):
            self.post_message(self.Wanted())

    def render_line(self, y: int) -> Strip:
        """Return a line of the window."""
        place = self.scroll_offset.y + y
        if place not in self._drawn:
            self._drawn[place] = self._line(place)
        return self._drawn[place]

    def _line(self, place: int) -> Strip:
        facts, width = self._at(place), self.size.width
        if facts is None:
            return Strip.blank(width, painting.styled(""))
        cells: list[tuple[str, str]] = []
        for one in self._placed:
            if cells:
                cells.append((" " * GAP, ""))
            text = painting.fitted(one.column.cell(facts), one.width, right=one.column.is_right)
            cells.append((text, status_style(facts) if one.column.style is None else one.column.style))
        # Reversed and not coloured: that is seen on a light background, on a dark one and without colours.
        is_meant = place == self.cursor
        return painting.strip(cells, width, ("reverse" if self.has_focus else "reverse dim") if is_meant else "")

    def on_focus(self) -> None:
        """Show that keys go here."""
        self._repaint()

    def on_blur(self) -> None:
        """Show that they do not."""
        self._repaint()

    # -- moving ------------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        to = max(0, min(self.cursor + by, self.total - 1))
        if to != self.cursor:
            self.cursor = to
            self.scroll_to_region(Region(0, to, 1, 1), animate=False)
            self._repaint()
            self.post_message(self.Moved())

    def action_page(self, by: int) -> None:
        """Move the cursor by so many windows."""
        self.action_move(by * max(1, self.size.height - 1))

    def on_click(self, event: events.Click) -> None:
        """Mean the row that was clicked; once more, choose it."""
        place = self.scroll_offset.y + event.y
        if place == self.cursor:
            self.post_message(self.Chosen())
        self.action_move(place - self.cursor)
