"""Writes runs and their events: sentences, tab-separated rows for pipes, and tables for people."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from mcp_background_job.agents.report import Report
from mcp_background_job.cli import terminal
from mcp_background_job.cli.show import escaped
from mcp_background_job.core.text import duration, one_line

if TYPE_CHECKING:  # rich costs 50 ms, and a pipe needs none of it
    from rich.table import Table

_COLUMNS = ("RUN", "AGENT", "BACKEND", "STATUS", "AGE", "EVENTS", "SUMMARY")
_LABEL_WIDTH = 20

#: Characters of an event on its line; the whole of it is in --json.
_EVENT_WIDTH = 400
_SUMMARY_WIDTH = 100

#: Colours of a terminal's own palette, so that they fit its background.
_STYLES = {
    "queued": "yellow",
    "running": "cyan",
    "input_required": "bold yellow",
    "auth_required": "bold yellow",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "rejected": "red",
}

#: What an event says best, of what it may have.
_TELLING = ("text", "command", "error", "final_response", "path", "name", "output", "status")


def sentence(report: Report) -> str:
    """Return how a run is doing, or how it ended."""
    told = report.get("error") or report["summary"]
    return f"{report['run_id']} `{report['agent_name']}` {report['status']}: {one_line(str(told), _EVENT_WIDTH)}"


def facts(report: Report) -> None:
    """Write all that is known of a run, a line each."""
    for name, value in report.items():
        if value not in (None, "", {}, []):
            for number, line in enumerate(_lines(value)):
                terminal.line(f"{'' if number else name:{_LABEL_WIDTH}}{escaped(line)}".rstrip())


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in cast("dict[str, Any]", value).items():
            for number, line in enumerate(_lines(part)):
                yield f"{key}: {line}" if number == 0 else line
    elif isinstance(value, list):
        yield json.dumps(value, ensure_ascii=False)
    else:
        yield from str(value).splitlines()


def event(told: Report) -> None:
    """Write an event: a line for people, tabs between for a pipe."""
    data = told["data"]
    what = next((data[key] for key in _TELLING if data.get(key) not in (None, "")), "")
    text = escaped(one_line(what if isinstance(what, str) else json.dumps(what, ensure_ascii=False), _EVENT_WIDTH))
    if terminal.for_people():
        at = datetime.fromisoformat(told["ts"]).astimezone().strftime("%H:%M:%S")
        terminal.line(f"{told['seq']:>5}  {at}  {told['type']:17} {text}".rstrip())
    else:
        terminal.line("\t".join((str(told["seq"]), told["ts"], told["type"], text)))


def several(reports: list[Report]) -> None:
    """Write runs: tab-separated lines for a pipe, a table for people."""
    if not terminal.for_people():
        for row in (_COLUMNS, *map(_row, reports)):
            terminal.line("\t".join(row))
    elif reports:
        from rich.console import Console  # noqa: PLC0415  a pipe does without

        Console().print(_table(reports))
    else:
        terminal.line("no runs")


def as_tree(reports: list[Report]) -> list[Report]:
    """Return runs with each below the one that it was started within, and indented; the order is kept otherwise.

    A run whose parent is not among them stands at the top.
    """
    shown = {report["run_id"] for report in reports}
    within: dict[str | None, list[Report]] = {}
    for report in reports:
        parent = report.get("parent_run_id")
        within.setdefault(parent if parent in shown else None, []).append(report)
    ordered: list[Report] = []
    todo = [(report, 0) for report in reversed(within.get(None, []))]
    while todo:
        report, depth = todo.pop()
        ordered.append({**report, "indent": "  " * depth})
        todo += [(child, depth + 1) for child in reversed(within.get(report["run_id"], []))]
    return ordered


def _row(report: Report) -> tuple[str, ...]:
    began = datetime.fromisoformat(report["created_at"]).timestamp()
    cells = (
        report.get("indent", "") + report["run_id"],
        report["agent_name"],
        report["backend"],
        report["status"],
        duration(time.time() - began),
        str(report["last_seq"]),
        one_line(str(report.get("error") or report.get("note") or report["summary"]), _SUMMARY_WIDTH),
    )
    return tuple(map(escaped, cells))


def _table(reports: list[Report]) -> Table:
    from rich import box  # noqa: PLC0415  see above
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, no_wrap=column != "SUMMARY")  # what may wrap gives way in a narrow window
    for report in reports:
        styles = ("bold", "", "", _STYLES[report["status"]], "dim", "dim", "")
        table.add_row(*(Text(cell, style) for cell, style in zip(_row(report), styles, strict=True)))
    return table
