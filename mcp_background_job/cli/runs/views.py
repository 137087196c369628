"""Writes runs and their events: sentences, tab-separated rows for pipes, and tables for people."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from mcp_background_job.agents.report import Report
from mcp_background_job.cli import tables, terminal
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.tables import AGE, STATUS, Column, Rows
from mcp_background_job.core.text import duration, one_line
from mcp_background_job.core.tree import as_tree as as_tree_of

_COLUMNS = (
    Column("RUN", "bold"),
    Column("AGENT", overflow="cut"),
    Column("BACKEND", spare=1),
    STATUS,
    AGE,
    Column("EVENTS", "dim", spare=2),
    Column("SUMMARY", overflow="wrap"),
)
_LABEL_WIDTH = 20

#: Characters of an event on its line; the whole of it is in --json.
_EVENT_WIDTH = 400
_SUMMARY_WIDTH = 100

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
            for number, line in enumerate(_lines(name, value)):
                terminal.fact("" if number else terminal.label(name), escaped(line), _LABEL_WIDTH)


def _lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in cast("dict[str, Any]", value).items():
            for number, line in enumerate(_lines(key, part)):
                yield f"{terminal.label(key)}: {line}" if number == 0 else line
    elif isinstance(value, list):
        yield json.dumps(value, ensure_ascii=False)
    else:
        yield from terminal.value(name, value).splitlines()


def event(told: Report) -> None:
    """Write an event: a line for people, tabs between for a pipe."""
    data = told["data"]
    what = next((data[key] for key in _TELLING if data.get(key) not in (None, "")), "")
    text = escaped(one_line(what if isinstance(what, str) else json.dumps(what, ensure_ascii=False), _EVENT_WIDTH))
    if terminal.for_people():
        at = datetime.fromisoformat(told["ts"]).astimezone().strftime("%H:%M:%S")
        terminal.paragraph(f"{told['seq']:>5}  {at}  {told['type']:17} {text}".rstrip(), indent=" " * 7)
    else:
        terminal.line("\t".join((str(told["seq"]), told["ts"], told["type"], text)))


def several(reports: list[Report]) -> None:
    """Write runs: tab-separated lines for a pipe, a table for people."""
    if terminal.for_people() and not reports:
        terminal.line("no runs")
    tables.write(Rows(_COLUMNS, list(map(_row, reports))))


def as_tree(reports: list[Report]) -> list[Report]:
    """Return runs with each below the one that it was started within, and indented; the order is kept otherwise.

    A run whose parent is not among them stands at the top.
    """
    tree = as_tree_of(reports, lambda report: report["run_id"], lambda report: report.get("parent_run_id"))
    return [{**report, "indent": "  " * depth} for depth, report in tree]


def _row(report: Report) -> tuple[str, ...]:
    began = datetime.fromisoformat(report["created_at"]).timestamp()
    return (
        report.get("indent", "") + report["run_id"],
        report["agent_name"],
        report["backend"],
        report["status"],
        duration(time.time() - began),
        str(report["last_seq"]),
        one_line(_told(report), _SUMMARY_WIDTH),
    )


def _told(report: Report) -> str:
    """Return what tells most of a run: why it ended or waits, else what its agent has said last."""
    ended = report.get("reason") if report["status"] == "cancelled" else None
    why = None if ended == report["status"] else ended  # it was only that
    return str(report.get("error") or report.get("note") or why or report["summary"])
