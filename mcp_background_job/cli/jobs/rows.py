"""How a list of jobs is shown: as tab-separated rows for pipes, and as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.jobs.listed import Listed
from mcp_background_job.cli import terminal
from mcp_background_job.cli.escaping import printable
from mcp_background_job.cli.jobs.show import STYLES
from mcp_background_job.cli.wording import typed
from mcp_background_job.core.text import duration

if TYPE_CHECKING:  # rich costs 50 ms, and a pipe needs none of it
    from rich.console import RenderableType
    from rich.table import Table

#: A job as ``list_jobs`` reports it.
Row = dict[str, Any]

#: Columns, and the fields that they show.
_COLUMNS = {
    "JOB": "job_id",
    "NAME": "name",
    "STATUS": "status",
    "EXIT": "exit_code",
    "AGE": "age_s",
    "TOOK": "duration_s",
    "LEFT": "deadline_s",
    "SILENT": "silent_s",
    "PROJECT": "project",
    "CWD": "cwd",
    "PLACE": "engine",
    "NOTE": "note",
    "COMMAND": "command",
}

#: Those that a table has only where one of its jobs has something in them.
_SELDOM = ("LEFT", "SILENT", "PROJECT", "CWD", "PLACE", "NOTE")

_COLOURS = {"JOB": "bold", "AGE": "dim", "TOOK": "dim", "LEFT": "yellow", "SILENT": "dim", "CWD": "dim", "PLACE": "dim"}

#: Lines of a table beside those of its jobs: a blank one above, the headings, what underlines them, a blank one below.
_FRAME = 4

#: What may be cut where the window is narrow.
_LONG = ("PROJECT", "CWD", "NOTE", "COMMAND")


def write(jobs: list[Row]) -> None:
    """Write jobs for a pipe: a line of headings, then one line each, with tabs between."""
    terminal.line("\t".join(_COLUMNS))
    for job in jobs:
        terminal.line("\t".join(_cell(job, field) for field in _COLUMNS.values()))


def table(jobs: list[Row]) -> Table:
    """Return jobs as a table for people."""
    from rich import box  # noqa: PLC0415  see above
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = [name for name, field in _COLUMNS.items() if name not in _SELDOM or any(field in job for job in jobs)]
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in shown:
        result.add_column(name, no_wrap=name not in _LONG)  # what may wrap is what gives way in a narrow window
    for job in jobs:
        styles = {**_COLOURS, "STATUS": STYLES[job["status"]]}
        cells = ((_cell(job, _COLUMNS[name]), styles.get(name, "")) for name in shown)
        result.add_row(*(Text(cell, style, no_wrap=True, overflow="ellipsis") for cell, style in cells))
    return result


def within(jobs: list[Row], height: int) -> RenderableType:
    """Return a table of as many jobs as there is room for in a window, and how many more there are."""
    from rich.console import Group  # noqa: PLC0415  see above
    from rich.text import Text  # noqa: PLC0415

    room = max(1, height - _FRAME)
    if len(jobs) <= room:
        return table(jobs)
    left = len(jobs) - room + 1
    return Group(table(jobs[: room - 1]), Text(f"{left} more do not fit into this window", "dim", no_wrap=True))


def beside(found: Listed) -> list[str]:
    """Return what there is to say beside a list: how many jobs it does not show, and what is missing."""
    more = f"{found.more} more (--all shows them)" if found.more else ""
    elsewhere = f"{found.elsewhere} of other projects (--all-projects)" if found.elsewhere else ""
    counted = ", ".join(part for part in (more, elsewhere) if part)
    return [part for part in (counted, found.note) if part]


def _cell(job: Row, field: str) -> str:
    value = job.get(field)
    if value is None:
        return "-"
    if field == "note":
        return printable(typed(value))
    return duration(value) if field.endswith("_s") else printable(str(value))
