"""What an agent says and does as a person reads it: words whole, tools in a line, changes as diffs. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Literal

from mcp_background_job.agents.adapters.reading import objects
from mcp_background_job.core.text import counted, one_line
from mcp_background_job.core.values import frozen

Style = Literal["", "dim", "bold", "red", "green", "yellow"]

#: Characters of what is told in a line, lines of the output of a command that failed, and lines of a diff.
_WIDTH = 160
_OUTPUT_LINES = 8
_DIFF_LINES = 60

_MARKS = {"completed": "[x]", "in_progress": "[>]"}


@frozen
class Line:
    """A line of a transcript."""

    text: str
    style: Style = ""


def lines_of(event: dict[str, Any]) -> Iterator[Line]:
    """Yield the lines that tell an event; none for what a person need not see."""
    tell = _TOLD.get(event["type"])
    if tell:
        yield from tell(event["data"])


def choices_of(question: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a question offers to choose from: the options of a permission, or the ways to log in."""
    return objects(question.get("options")) or objects(question.get("methods"))


def answer_to(question: dict[str, Any], said: str) -> dict[str, Any]:
    """Return the message that answers a question: what was typed, or the choice whose number that is."""
    choices = choices_of(question)
    text = said.strip()
    if text.isdecimal() and 1 <= int(text) <= len(choices):
        choice = choices[int(text) - 1]
        key = "option_id" if "option_id" in choice else "method_id"
        data = {key: choice.get("option_id", choice.get("id"))}
        return {"role": "user", "parts": [{"type": "data", "data": data}]}
    return {"role": "user", "parts": [{"type": "text", "text": text}]}


def _began(data: dict[str, Any]) -> Iterator[Line]:
    yield Line(f"{data.get('agent_name')} ({data.get('backend')}) in {data.get('cwd')}", "dim")


def _status(data: dict[str, Any]) -> Iterator[Line]:
    if data.get("status") == "cancelled":
        yield Line(f"cancelled: {data.get('reason') or ''} {data.get('by') or ''}".rstrip(" :"), "yellow")


def _said(data: dict[str, Any]) -> Iterator[Line]:
    yield Line("")
    yield from _texts(data.get("text"), "")


def _told(data: dict[str, Any]) -> Iterator[Line]:
    yield from (Line(f"> {line.text}", "bold") for line in _texts(data.get("text") or data.get("data"), ""))


def _thought(data: dict[str, Any]) -> Iterator[Line]:
    is_trouble = bool(data.get("warning") or data.get("stderr"))
    yield Line(f"{'!' if is_trouble else '~'} {_short(data.get('text'))}", "yellow" if is_trouble else "dim")


def _command(data: dict[str, Any]) -> Iterator[Line]:
    yield Line(f"$ {_short(data.get('command'))}", "bold")


def _command_over(data: dict[str, Any]) -> Iterator[Line]:
    code, output = data.get("exit_code"), str(data.get("output") or "").splitlines()
    failed = bool(code) or data.get("status") == "failed"
    how = f"exit {code}" if code is not None else str(data.get("status") or "over")
    yield Line(f"  {how}, {counted(len(output), 'line')}", "red" if failed else "dim")
    if failed:
        yield from (Line(f"  | {_short(line)}", "red") for line in output[-_OUTPUT_LINES:])


def _tool(data: dict[str, Any]) -> Iterator[Line]:
    failed = data.get("status") == "failed"
    yield Line(f"* {_short(data.get('name'))}{' failed' if failed else ''}", "red" if failed else "dim")


def _changed(data: dict[str, Any]) -> Iterator[Line]:
    for change in objects(data.get("changes")) or [data]:
        failed = " failed" if data.get("status") == "failed" else ""
        yield Line(f"{change.get('kind') or 'update'} {change.get('path')}{failed}", "bold")
        yield from _diff(str(change.get("old_text") or ""), str(change.get("new_text") or ""))


def _diff(old: str, new: str) -> Iterator[Line]:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2))[2:]
    styles: dict[str, Style] = {"+": "green", "-": "red", "@": "dim"}
    for line in lines[:_DIFF_LINES]:
        yield Line(f"  {line}", styles.get(line[:1], ""))
    if len(lines) > _DIFF_LINES:
        yield Line(f"  ... {len(lines) - _DIFF_LINES} more lines", "dim")


def _plan(data: dict[str, Any]) -> Iterator[Line]:
    for item in objects(data.get("items")):
        yield Line(f"{_MARKS.get(str(item.get('status')), '[ ]')} {_short(item.get('text'))}", "dim")


def _artifact(data: dict[str, Any]) -> Iterator[Line]:
    yield Line(f"hands over {data.get('name') or data.get('artifact_id') or 'something'}:", "bold")
    yield from _texts(data.get("text"), "")


def _asked(data: dict[str, Any]) -> Iterator[Line]:
    yield from (Line(f"? {line.text}", "bold") for line in _texts(data.get("text") or data.get("error"), ""))
    for number, choice in enumerate(choices_of(data), start=1):
        yield Line(f"  {number}) {choice.get('name') or choice.get('option_id') or choice.get('id')}")


def _completed(data: dict[str, Any]) -> Iterator[Line]:
    del data  # its last words were told when it said them
    yield Line("completed", "green")


def _failed(data: dict[str, Any]) -> Iterator[Line]:
    reason = f" ({data['reason']})" if data.get("reason") else ""
    yield Line(f"{data.get('status') or 'failed'}{reason}: {data.get('error') or ''}".rstrip(" :"), "red")
    yield from (Line(f"  | {line.text}", "red") for line in _texts(data.get("stderr"), ""))


def _texts(value: object, style: Style) -> Iterator[Line]:
    yield from (Line(line, style) for line in str(value or "").splitlines())


def _short(value: object) -> str:
    return one_line(str(value or ""), _WIDTH)


_TOLD = {
    "run_started": _began,
    "status_changed": _status,
    "agent_message": _said,
    "message_added": _told,
    "reasoning": _thought,
    "command_started": _command,
    "command_finished": _command_over,
    "tool_finished": _tool,
    "file_changed": _changed,
    "todo_updated": _plan,
    "artifact_added": _artifact,
    "input_required": _asked,
    "auth_required": _asked,
    "run_completed": _completed,
    "run_failed": _failed,
    "rejected": _failed,
}
