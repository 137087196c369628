"""Rows of a list: a table for people, tab-separated lines below a line of headings for a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from mcp_background_job.cli import terminal
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.core.values import frozen

if TYPE_CHECKING:  # rich costs 50 ms, and a pipe needs none of it
    from rich.table import Table
    from rich.text import Text

#: Colours of a terminal's own palette, so that they fit its background.
_STYLES = {
    "pending": "yellow",
    "queued": "yellow",
    "input_required": "bold yellow",
    "auth_required": "bold yellow",
    "in_progress": "cyan",
    "running": "cyan",
    "completed": "green",
    "succeeded": "green",
    "paused": "yellow",
    "canceling": "magenta",
    "canceled": "magenta",
    "cancelled": "magenta",
}
_TROUBLE = "red"

#: Columns of a window in which there is room for everything.
_WIDE = 110

#: Stands where nothing is known.
NOTHING = "-"


@frozen
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        style: of its cells; that of a status depends on the status.
        overflow: how it gives way in a narrow window, if it does. An id must stay whole to be copied.
        is_spare: people do without it in a narrow window.
    """

    name: str
    style: str = ""
    overflow: Literal["wrap", "cut"] | None = None
    is_spare: bool = False


@frozen
class Rows:
    """Columns, and under each of them a cell of each row."""

    columns: tuple[Column, ...]
    cells: Sequence[tuple[str, ...]]


PROMPT = Column("PROMPT", "bold")
STATUS = Column("STATUS")
AGE = Column("AGE", "dim")
NOTE = Column("NOTE", overflow="wrap")


def write(rows: Rows) -> None:
    """Write rows; people are shown nothing in the place of an empty table."""
    if terminal.for_people():
        if rows.cells:
            _print(rows)
        return
    for row in ([column.name for column in rows.columns], *_printable(rows)):
        terminal.line("\t".join(row))


def _printable(rows: Rows) -> Iterator[list[str]]:
    for row in rows.cells:
        yield [_one_line(cell) or NOTHING for cell in row]


def _one_line(cell: str) -> str:
    words = escaped(" ".join(cell.split()))
    return words and " " * (len(cell) - len(cell.lstrip(" "))) + words  # spaces in front place it in a tree


def _print(rows: Rows) -> None:
    from rich.console import Console  # noqa: PLC0415  a pipe does without

    terminal.flush()
    console = Console()
    console.print(_table(rows, is_wide=console.width >= _WIDE))


def _table(rows: Rows, *, is_wide: bool) -> Table:
    from rich import box  # noqa: PLC0415  see above
    from rich.table import Table  # noqa: PLC0415

    shown = [column for column in rows.columns if is_wide or not column.is_spare]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in shown:
        table.add_column(column.name, no_wrap=column.overflow is None)
    for row in _printable(rows):
        cells = zip(row, rows.columns, strict=True)
        table.add_row(*(_cell(cell, column) for cell, column in cells if column in shown))
    return table


def _cell(text: str, column: Column) -> Text:
    from rich.text import Text  # noqa: PLC0415  see above

    style = _STYLES.get(text, _TROUBLE) if column is STATUS else column.style
    return Text(text, style, no_wrap=column.overflow != "wrap", overflow="ellipsis")
