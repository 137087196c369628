"""Rows about ComfyUI: a table for people, tab-separated lines below a line of headings for a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_background_job.cli import terminal
from mcp_background_job.cli.show import escaped

if TYPE_CHECKING:  # rich costs 50 ms, and a pipe needs none of it
    from rich.table import Table

#: Colours of a terminal's own palette, so that they fit its background.
_STYLES = {
    "pending": "yellow",
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

#: Stands where nothing is known.
NOTHING = "-"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        style: of its cells; that of a status depends on the status.
        wraps: gives way in a narrow window. An id must stay whole to be copied.
    """

    name: str
    style: str = ""
    wraps: bool = False


@dataclass(frozen=True)
class Rows:
    """Columns, and under each of them a cell of each row."""

    columns: tuple[Column, ...]
    cells: Sequence[tuple[str, ...]]


PROMPT = Column("PROMPT", "bold")
STATUS = Column("STATUS")
AGE = Column("AGE", "dim")
NOTE = Column("NOTE", wraps=True)


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
        yield [escaped(" ".join(cell.split())) or NOTHING for cell in row]


def _print(rows: Rows) -> None:
    from rich.console import Console  # noqa: PLC0415  a pipe does without

    terminal.flush()
    Console().print(_table(rows))


def _table(rows: Rows) -> Table:
    from rich import box  # noqa: PLC0415  see above
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in rows.columns:
        table.add_column(column.name, no_wrap=not column.wraps)
    for row in _printable(rows):
        cells = zip(row, rows.columns, strict=True)
        table.add_row(*(Text(cell, _style_of(column, cell)) for cell, column in cells))
    return table


def _style_of(column: Column, cell: str) -> str:
    return _STYLES.get(cell, _TROUBLE) if column is STATUS else column.style
