"""Which columns a list has in a window of which width, and what stands in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mcp_background_job.cli.tables import STYLES
from mcp_background_job.core.values import frozen

#: Something that a list shows, in the fields that its action reports.
Facts = dict[str, Any]

#: Between two columns.
GAP = 1


@frozen
class Column:
    """A column of a list.

    Attributes:
        title: its heading.
        cell: what stands in it.
        width: cells that it takes.
        grows: its share of what is left of the window; 0: it stays as wide as it is.
        at_most: cells that it grows to; 0: as wide as the window lets it.
        from_width: the narrowest window that has it.
        is_right: numbers stand at its right edge.
        style: of its cells; none: that of the status.
    """

    title: str
    cell: Callable[[Facts], str]
    width: int
    grows: int = 0
    at_most: int = 0
    from_width: int = 0
    is_right: bool = False
    style: str | None = ""


@frozen
class Placed:
    """A column with the width that it has in this window."""

    column: Column
    width: int


def layout(columns: Sequence[Column], width: int) -> list[Placed]:
    """Return the columns that a window of this width has room for, and how wide each is."""
    shown = [column for column in columns if width >= column.from_width]
    left = width - sum(column.width for column in shown) - GAP * (len(shown) - 1)
    widths = {column.title: column.width for column in shown}
    growing = [column for column in shown if column.grows]
    # Those with a limit first: what they do not take is left to the others.
    for column in sorted(growing, key=lambda one: not one.at_most):
        share = sum(one.grows for one in growing)
        more = left * column.grows // share
        if column.at_most:
            more = min(more, column.at_most - column.width)
        widths[column.title] = max(1, column.width + more)
        left -= more
        growing = [one for one in growing if one is not column]
    return [Placed(column, widths[column.title]) for column in shown]


def status_style(facts: Facts) -> str:
    """Return the style of a status."""
    return STYLES.get(str(facts.get("status")), "")


def joined(parts: Sequence[str], width: int) -> str:
    """Return as many of the parts, from the first on, as there is room for."""
    text = ""
    for part in parts:
        longer = f"{text}, {part}" if text else part
        if len(longer) > width:
            break
        text = longer
    return text
