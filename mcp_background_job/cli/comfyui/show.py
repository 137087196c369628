"""Writes reports about ComfyUI: a sentence, what it leaves unsaid in lines below it, and the queue as a table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, cast

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui.wording import typed
from mcp_background_job.cli.show import escaped
from mcp_background_job.comfyui.report import Report

if TYPE_CHECKING:  # rich costs 50 ms, and a pipe needs none of it
    from rich.table import Table

_LABEL_WIDTH = 20
_COLUMNS = ("PROMPT", "STATUS", "AGE", "NOTE", "PROGRESS")

#: Colours of a terminal's own palette, so that they fit its background.
_GOOD = (
    *("completed", "cancelled", "finished_before_cancel", "started", "already_running", "restarted", "stopped"),
    "downloaded",
)
_WAITING = ("pending", "in_progress", "starting", "queued", "requested", "running", "nothing_running", "not_running")


def sentence(text: str, status: str) -> None:
    """Write the sentence of a report; for people in the colour of its status."""
    text = escaped(typed(text))
    if not terminal.for_people():
        terminal.line(text)
        return
    from rich.console import Console  # noqa: PLC0415  a pipe does without
    from rich.text import Text  # noqa: PLC0415

    terminal.flush()
    Console().print(Text(text, style_of(status)), soft_wrap=True)


def style_of(status: str) -> str:
    """Return the style that a status is shown in."""
    return "green" if status in _GOOD else "cyan" if status in _WAITING else "red"


def facts(report: Report, told: Collection[str]) -> None:
    """Write what the sentence of a report has left unsaid."""
    for name, value in report.items():
        if name not in told:
            for label, line in zip(chain([name], repeat("")), _lines(name, value), strict=False):
                terminal.line(f"{label:{_LABEL_WIDTH}}{escaped(typed(line))}".rstrip())


def _lines(name: str, value: Any) -> Iterator[str]:
    if name == "outputs":
        for file in value:
            yield f"{file['file']} ({file['kind']} of node {file['node']}, {file['type']})"
    elif name == "failures":
        for failure in value:
            what = " of ".join(filter(None, [failure.get("file"), f"prompt {failure['prompt_id']}"]))
            yield f"{what}: {failure['reason']}"
    elif name == "error" and isinstance(value, dict):
        yield from "\n".join(cast("Report", value)["traceback"]).splitlines()
    elif name == "process":
        yield ", ".join(f"{key} {fact}" for key, fact in value.items())
    elif isinstance(value, dict):
        yield from (f"{key} → {new}" for key, new in cast("Report", value).items())
    elif isinstance(value, list):
        yield from map(str, cast("list[object]", value))
    else:
        yield from str(value).splitlines()


def queue(report: Report) -> None:
    """Write what runs and what waits: tab-separated lines for a pipe, a table for people."""
    rows = [_row("in_progress", entry) for entry in report["running"]]
    rows += [_row("pending", entry) for entry in report["pending"]]
    if not rows:
        return
    if terminal.for_people():
        from rich.console import Console  # noqa: PLC0415  a pipe does without

        terminal.flush()
        Console().print(_table(rows))
    else:
        for row in (_COLUMNS, *rows):
            terminal.line("\t".join(row))
    if "more_pending" in report:
        terminal.line(f"and {report['more_pending']} more pending")


def _row(status: str, entry: Report) -> tuple[str, ...]:
    progress = entry.get("progress", "-") + (" (log)" if entry.get("progress_from") == "log" else "")
    cells = (entry["prompt_id"], status, entry.get("age", "-"), entry.get("note", "-"), progress)
    return tuple(escaped(" ".join(cell.split())) for cell in cells)


def _table(rows: list[tuple[str, ...]]) -> Table:
    from rich import box  # noqa: PLC0415  see above
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _COLUMNS:
        # An id must stay whole to be copied; what may wrap gives way in a narrow window.
        table.add_column(column, no_wrap=column in ("PROMPT", "STATUS", "AGE"))
    for row in rows:
        styles = ("bold", "cyan" if row[1] == "in_progress" else "yellow", "dim", "", "")
        table.add_row(*(Text(cell, style) for cell, style in zip(row, styles, strict=True)))
    return table
