"""Writes why prompts failed: a paragraph each for people, a line each for a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from mcp_background_job.cli import tables, terminal
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.prompts import listing, rows, sentences
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.comfyui.reports.report import Report

#: In front of what belongs to a prompt.
_MARGIN = "  "


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
    nearest(known)
    listing.warn(known)


def nearest(known: Report) -> None:
    """Write what is there that is most like what is missing."""
    for name, names in known.get("nearest", {}).items():
        terminal.say(f"nearest to {name}: {', '.join(names)}")


def _paragraph(failure: Report) -> None:
    from rich.console import Console  # noqa: PLC0415  a pipe does without
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    show.sentence(sentences.of_error(failure), "failed")
    for line in _lines(failure):
        terminal.paragraph(f"{_MARGIN}{escaped(line)}", indent=_MARGIN)
    terminal.flush()
    for line in chain.from_iterable(part.splitlines() for part in failure.get("traceback", ())):
        console.print(Text(f"{_MARGIN}{escaped(line)}", "dim"), soft_wrap=True)  # as it is, to be copied
    console.print()


def _lines(failure: Report) -> Iterator[str]:
    where = f"at node {failure['node']}: {failure['type']}: " if "node" in failure else ""
    yield f"{where}{failure['message']}"
    for name in ("missing_models", "missing_nodes"):
        if name in failure:
            yield f"{name.replace('_', ' ')}: {', '.join(failure[name])}"
    yield from failure.get("node_errors", ())
