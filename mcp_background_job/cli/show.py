"""How jobs are shown: sentences, tab-separated rows for pipes, and tables for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mcp_background_job.actions.jobs.facts import duration_of
from mcp_background_job.cli import terminal
from mcp_background_job.core.job import Job, has_more_to_tell
from mcp_background_job.core.states import State
from mcp_background_job.core.text import command_on_one_line, duration, one_line

if TYPE_CHECKING:  # rich costs 50 ms, and a pipe needs none of it
    from rich.table import Table

_COLUMNS = ("JOB", "NAME", "STATUS", "EXIT", "AGE", "TOOK", "COMMAND")

#: Colours of a terminal's own palette, so that they fit its background.
_STYLES = {
    "queued": "yellow",
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "killed": "magenta",
    "timed_out": "red",
    "lost": "bold red",
}

#: Characters of a command in a table; rich makes them fewer where the window is narrow.
_COMMAND_WIDTH = 200


def sentence(job: Job) -> str:
    """Return how a job is doing, or how it ended."""
    if job.state is not State.EXITED:
        return f"{job.label} {job.status} for {duration(time.time() - (job.started_at or job.created_at))}"
    end = "" if job.exit_code is None else f", exit {job.exit_code}"
    return f"{job.label} {job.status}{end}" + (f": {job.reason}" if has_more_to_tell(job) else "")


def rows(jobs: list[Job]) -> None:
    """Write jobs for a pipe: a line of headings, then one line each, with tabs between."""
    now = time.time()
    terminal.line("\t".join(_COLUMNS))
    for job in jobs:
        terminal.line("\t".join(_cells(job, now)))


def table(jobs: list[Job]) -> Table:
    """Return jobs as a table for people."""
    from rich import box  # noqa: PLC0415  see above
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    now = time.time()
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _COLUMNS:
        result.add_column(column, no_wrap=column != "COMMAND")  # what may wrap is what gives way in a narrow window
    for job in jobs:
        cells = _cells(job, now)
        styles = ["bold", "", style_of(job), "", "dim", "dim", ""]
        result.add_row(
            *(Text(cell, style, no_wrap=True, overflow="ellipsis") for cell, style in zip(cells, styles, strict=True))
        )
    return result


def style_of(job: Job) -> str:
    """Return the style that a job's status is shown in."""
    return _STYLES[job.status]


def printable(text: str) -> str:
    """Return text on one line, with everything escaped that a terminal would obey."""
    return escaped(one_line(text, _COMMAND_WIDTH))


def escaped(text: str) -> str:
    """Return text with everything escaped that a terminal would obey."""
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)


def _cells(job: Job, now: float) -> list[str]:
    took = duration_of(job, now)
    return [
        job.job_id,
        job.name or "-",
        job.status,
        _exit(job),
        duration(now - job.created_at),
        "-" if took is None else duration(took),
        escaped(command_on_one_line(job.command, _COMMAND_WIDTH)),
    ]


def _exit(job: Job) -> str:
    if job.exit_code is not None:
        return str(job.exit_code)
    return job.signal.removeprefix("SIG") if job.signal else "-"
