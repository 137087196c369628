"""Messages between agents at the terminal: how they are made of arguments, and how they are shown."""

from __future__ import annotations

import json
from typing import Any

from mcp_background_job.agents.report import Report
from mcp_background_job.cli import tables, terminal
from mcp_background_job.cli.arguments import json_object
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.tables import STATUS, Column, Rows
from mcp_background_job.errors import InvalidRequestError

_AGENTS = (
    Column("AGENT", "bold", overflow="cut"),
    Column("RUN", spare=1),
    STATUS,
    Column("UNFETCHED"),
    Column("CWD", "dim", overflow="cut", spare=2),
)


def parts(text: str, data: str | None) -> list[dict[str, Any]]:
    """Return the parts of a message, of a text and of what ``--data`` says.

    Raises:
        InvalidRequestError: there is neither, or ``--data`` is not a JSON object.
    """
    said: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    values = json_object("--data", data)
    if not said and values is None:
        raise InvalidRequestError("the message is empty: give a TEXT, or --data")
    return said if values is None else [*said, {"type": "data", "data": values}]


def agents(reports: list[Report]) -> None:
    """Write who there is to write to: tab-separated lines for a pipe, a table for people."""
    if terminal.for_people() and not reports:
        terminal.line("no agents")
    tables.write(Rows(_AGENTS, list(map(_row, reports))))


def _row(report: Report) -> tuple[str, ...]:
    return (
        report["agent_name"],
        report["last_run_id"],
        report["status"],
        str(report["unfetched"]),
        report["cwd"],
    )


def messages(reports: list[Report]) -> None:
    """Write messages: a line that says which and from whom, and what they say."""
    for report in reports:
        sender = report["from_agent_name"] or report.get("from_client") or "nobody"
        terminal.paragraph(f"[{report['seq']}] {escaped(sender)}, {report['created_at']}:")
        for part in report["body"]["parts"]:
            for line in _shown(part).splitlines():
                terminal.paragraph(f"    {escaped(line)}", indent="    ")


def _shown(part: dict[str, Any]) -> str:
    return part["text"] if part["type"] == "text" else json.dumps(part, ensure_ascii=False)
