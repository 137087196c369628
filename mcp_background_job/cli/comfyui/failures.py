"""Writes why prompts failed: a paragraph each for people, a line each for a pipe."""

from __future__ import annotations

from collections.abc import Iterator

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui import listing, rows, sentences, show, tables
from mcp_background_job.cli.show import escaped
from mcp_background_job.comfyui.report import Report

_INDENT = "  "


def write(known: Report) -> None:
    """Write failures, and why there may be more."""
    if not terminal.for_people():
        tables.write(rows.of_errors(known["errors"]))
    elif known["errors"]:
        for failure in known["errors"]:
            _paragraph(failure)
    elif listing.is_known(known):
        terminal.line("no prompt has failed")
    terminal.flush()
    listing.warn(known)


def _paragraph(failure: Report) -> None:
    show.sentence(sentences.of_error(failure), "failed")
    for line in _lines(failure):
        terminal.line(f"{_INDENT}{escaped(line)}".rstrip())
    terminal.line()


def _lines(failure: Report) -> Iterator[str]:
    where = f"at node {failure['node']}: {failure['type']}: " if "node" in failure else ""
    yield f"{where}{failure['message']}"
    for name in ("missing_models", "missing_nodes"):
        if name in failure:
            yield f"{name.replace('_', ' ')}: {', '.join(failure[name])}"
    yield from failure.get("node_errors", ())
    if failure.get("traceback"):
        yield ""
        yield from (part for line in failure["traceback"] for part in line.splitlines())
