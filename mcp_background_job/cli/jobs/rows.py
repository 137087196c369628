"""How a list of jobs is shown: its columns, and how many of its rows a window has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.jobs.listed import Listed
from mcp_background_job.cli.escaping import printable
from mcp_background_job.cli.tables import AGE, NOTHING, STATUS, Column, Fitted, Rows
from mcp_background_job.cli.wording import typed
from mcp_background_job.core.text import counted, duration

if TYPE_CHECKING:  # rich costs 50 ms, and a pipe needs none of it
    from rich.console import RenderableType

#: A job as ``list_jobs`` reports it.
Row = dict[str, Any]

#: The fields that are shown, and their columns.
_COLUMNS = {
    "job_id": Column("JOB", "bold"),
    "name": Column("NAME", overflow="cut"),
    "status": STATUS,
    "exit_code": Column("EXIT", spare=3),
    "age_s": AGE,
    "duration_s": Column("TOOK", "dim", spare=4),
    "deadline_s": Column("LEFT", "yellow", spare=5),
    "silent_s": Column("SILENT", "dim", spare=9),
    "project": Column("PROJECT", overflow="cut", spare=6),
    "cwd": Column("CWD", "dim", overflow="cut", spare=8),
    "engine": Column("PLACE", "dim", spare=7),
    "note": Column("NOTE", overflow="cut", spare=2),
    "command": Column("COMMAND", overflow="cut"),
}

#: Lines of a table beside those of its jobs: a blank one above, the headings, what underlines them, a blank one below.
_FRAME = 4


def of_jobs(jobs: list[Row]) -> Rows:
    """Return what there is to show of jobs."""
    return Rows(tuple(_COLUMNS.values()), [tuple(_cell(job, field) for field in _COLUMNS) for job in jobs])


def within(jobs: list[Row], height: int) -> RenderableType:
    """Return a table of as many jobs as there is room for in a window, and how many more there are."""
    from rich.console import Group  # noqa: PLC0415  see above
    from rich.text import Text  # noqa: PLC0415

    room = max(1, height - _FRAME)
    if len(jobs) <= room:
        return Fitted(of_jobs(jobs))
    left = len(jobs) - room + 1
    return Group(
        Fitted(of_jobs(jobs[: room - 1])), Text(f"{left} more do not fit into this window", "dim", no_wrap=True)
    )


def beside(found: Listed) -> list[str]:
    """Return what there is to say beside a list: how many jobs it does not show, and what is missing."""
    more = f"{found.more} more (--all shows them)" if found.more else ""
    others = (
        f"{counted(found.elsewhere, 'job')} of other projects (--all-projects shows them)" if found.elsewhere else ""
    )
    left_out = ", ".join(part for part in (more, others) if part)
    return [part for part in (left_out, found.note) if part]


def _cell(job: Row, field: str) -> str:
    value = job.get(field)
    if value is None:
        return NOTHING
    if field == "note":
        return printable(typed(value))
    return duration(value) if field.endswith("_s") else printable(str(value))
