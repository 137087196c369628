"""Writes reports about ComfyUI: a sentence, what it leaves unsaid in lines below it, and the queue as a table."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from itertools import chain, repeat
from typing import Any, cast

from mcp_background_job.cli import terminal
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.reports.report import Report

_LABEL_WIDTH = 20

#: Colours of a terminal's own palette, so that they fit its background.
_GOOD = (
    *("completed", "cancelled", "finished_before_cancel", "started", "already_running", "restarted", "stopped"),
    *("succeeded", "canceled", "downloaded", "uploaded", "moved", "resumed"),
)
_WAITING = (
    *("pending", "in_progress", "starting", "queued", "requested", "running", "nothing_running", "not_running"),
    *("paused", "canceling"),
)


def sentence(text: str, status: str) -> None:
    """Write the sentence of a report; for people in the colour of its status."""
    text = escaped(typed(text))
    if not terminal.for_people():
        terminal.line(text)
        return
    from rich.console import Console  # noqa: PLC0415  a pipe does without
    from rich.text import Text  # noqa: PLC0415

    terminal.flush()
    Console().print(Text(terminal.fitted(text), style_of(status)), soft_wrap=True)


def style_of(status: str) -> str:
    """Return the style that a status is shown in."""
    return "green" if status in _GOOD else "cyan" if status in _WAITING else "red"


def facts(report: Report, told: Collection[str]) -> None:
    """Write what the sentence of a report has left unsaid."""
    for name, value in report.items():
        if name not in told:
            write = terminal.copied if name in ("workflow", "error") else terminal.fact
            for label, line in zip(chain([terminal.label(name)], repeat("")), _lines(name, value), strict=False):
                write(label, escaped(typed(line)), _LABEL_WIDTH)


def _lines(name: str, value: Any) -> Iterator[str]:
    if name in _LINES:
        yield from map(_LINES[name], cast("list[Report]", value))
    elif name == "workflow":
        yield from json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    elif name == "error" and isinstance(value, dict):
        yield from "\n".join(cast("Report", value)["traceback"]).splitlines()
    elif name == "process":
        yield ", ".join(f"{terminal.label(key)} {terminal.value(key, fact)}" for key, fact in value.items())
    elif isinstance(value, dict):
        yield from (f"{key} → {new}" for key, new in cast("Report", value).items())
    elif isinstance(value, list):
        yield from map(str, cast("list[object]", value))
    else:
        yield from terminal.value(name, value).splitlines()


def _of_file(file: Report) -> str:
    return f"{file['file']} ({file['kind']} of node {file['node']}, {file['type']})"


def _of_shown(one: Report) -> str:
    return f"{one['kind']} of node {one['node']}: {one['text']}" + (f" … ({one['cut']})" if "cut" in one else "")


def _of_failure(failure: Report) -> str:
    prompt = f"prompt {failure['prompt_id']}" if "prompt_id" in failure else None
    what = " of ".join(filter(None, [failure.get("file"), prompt]))
    return f"{what}: {failure['reason']}"


#: Facts that are lists of objects, each of which is a line.
_LINES = {"outputs": _of_file, "shown": _of_shown, "failures": _of_failure, "broken": _of_failure}
