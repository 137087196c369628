"""Rows of a list: a table for people, tab-separated lines below a line of headings for a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from mcp_background_job.cli import terminal
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.wrapping import cells, cut
from mcp_background_job.core.values import frozen

if TYPE_CHECKING:  # rich costs 50 ms, and a pipe needs none of it
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text

#: Colours of a terminal's own palette, so that they fit its background.
STYLES = {
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
    "killed": "magenta",
    "lost": "bold red",
}
_TROUBLE = "red"

#: Cells between two columns, and beside the first and the last one.
_GAP = 2
_EDGES = 2

#: Cells that a column which gives way needs to be read; and those of a first column below which texts can be read.
_LEAST = 20
_STACK = 24

#: Stands where nothing is known.
NOTHING = "-"


@frozen
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        style: of its cells; that of a status depends on the status.
        overflow: how it gives way in a narrow window, if it does. An id must stay whole to be copied.
        spare: whether people can do without it: in a narrow window, the columns with the highest figure go first.

    People are not shown a column that may give way or go, and has nothing to tell.
    """

    name: str
    style: str = ""
    overflow: Literal["wrap", "cut"] | None = None
    spare: int = 0


@frozen
class Rows:
    """Columns, and under each of them a cell of each row."""

    columns: tuple[Column, ...]
    cells: Sequence[tuple[str, ...]]


PROMPT = Column("PROMPT", "bold")
STATUS = Column("STATUS")
AGE = Column("AGE", "dim")
NOTE = Column("NOTE", overflow="cut")


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
    Console().print(Fitted(rows))


class Fitted:
    """Rows as a table that fits into the window, whatever its width. The library draws it."""

    def __init__(self, rows: Rows) -> None:
        """Take the rows as they are."""
        self._cells = [dict(zip(rows.columns, row, strict=True)) for row in _printable(rows)]
        self._columns = [column for column in rows.columns if self._tells(column)]

    def _tells(self, column: Column) -> bool:
        is_needed = column.overflow is None and not column.spare
        return is_needed or any(row[column] != NOTHING for row in self._cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        beside, below = self._placed(options.max_width)
        yield self._table(beside, below)

    def _placed(self, width: int) -> tuple[list[Column], list[Column]]:
        """Return the columns that stand beside each other, and those whose texts stand below an id that is as long."""
        whole = [column for column in self._columns if column.overflow is None or column is self._columns[0]]
        beside = self._fitting(self._columns, width)
        if self._need(beside) <= width or self._natural(self._columns[0]) < _STACK:
            return beside, []
        return self._fitting(whole, width), [column for column in self._columns if column not in whole]

    def _fitting(self, columns: list[Column], width: int) -> list[Column]:
        """Return columns without as many of the spare ones as must go."""
        shown = list(columns)
        for column in sorted(columns, key=lambda column: -column.spare):
            if column.spare and self._need(shown) > width:
                shown.remove(column)
        return shown

    def _need(self, columns: list[Column]) -> int:
        """Return how many cells columns need at least to be read."""
        return _EDGES + sum(map(self._least, columns)) + _GAP * (len(columns) - 1)

    def _least(self, column: Column) -> int:
        return self._natural(column) if column.overflow is None else min(_LEAST, self._natural(column))

    def _natural(self, column: Column) -> int:
        return max(map(cells, (column.name, *(row[column] for row in self._cells))))

    def _table(self, beside: list[Column], below: list[Column]) -> Table:
        from rich import box  # noqa: PLC0415  see above
        from rich.table import Table  # noqa: PLC0415

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for column in beside:
            names = [column.name, *(f"  {text.name}" for text in below if column is beside[0])]
            table.add_column("\n".join(names), no_wrap=column.overflow is None)
        for row in self._cells:
            first, *others = [_cell(row[column], column) for column in beside]
            for column in below:
                if row[column] != NOTHING:
                    first.append(f"\n  {cut(row[column], self._natural(beside[0]) - 2)}", "not bold dim")
            table.add_row(first, *others)
        return table


def _cell(text: str, column: Column) -> Text:
    from rich.text import Text  # noqa: PLC0415  see above

    style = style_of(text) if column is STATUS else column.style
    return Text(text, style, no_wrap=column.overflow != "wrap", overflow="ellipsis")


def style_of(status: str) -> str:
    """Return the style that a status is shown in."""
    return STYLES.get(status, _TROUBLE)
