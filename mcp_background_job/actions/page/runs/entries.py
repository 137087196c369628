"""Turns an event of a run into an entry of its transcript: words, thoughts, tool calls, changes, plans, the end. Pure.

The start and the end of a call have the same ``id``, so a page shows them as one entry.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from mcp_background_job.actions.action import Facts
from mcp_background_job.agents.adapters.reading import objects
from mcp_background_job.agents.events.cutting import CUT_MARK

#: The most lines of a diff, and characters of each line: nobody reads more here.
_DIFF_LINES = 400
_DIFF_WIDTH = 1000

#: The most lines of a text in a diff: the time for a diff grows with their square.
_MOST_LINES = 4000


def entry_of(event: Mapping[str, Any]) -> Facts | None:
    """Return the entry for an event; ``None`` for an event that a person need not see."""
    tell = _TOLD.get(event["type"])
    data: dict[str, Any] = event["data"]
    told = tell(data) if tell else None
    if told is None:
        return None
    more = [[path, about["total_bytes"]] for path, about in data.get("artifact_refs", {}).items() if _kept(about)]
    return {"seq": event["seq"], "at": event["ts"], **told, **({"more": more} if more else {})}


def worded(value: object) -> str:
    """Return the input of a tool in a form for people: a line for each argument."""
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return "\n".join(f"{name}: {part if isinstance(part, str) else _json(part)}" for name, part in pairs)
    return _words(value) if isinstance(value, str) or value is None else _json(value)


def changed_by(arguments: object) -> list[Facts]:
    """Return the changes that a tool call would make, if its arguments show them, for a permission request."""
    match arguments:
        case {"file_path": str(path), "old_string": str(old), "new_string": str(new)}:
            return [_change({"path": path, "old_text": old, "new_text": new})]
        case {"file_path": str(path), "content": str(new)}:
            return [_change({"path": path, "kind": "write", "new_text": new})]
        case _:
            return []


def _kept(about: Mapping[str, Any]) -> bool:
    return bool(about.get("stored", True))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _words(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else _json(value)
    return text.removesuffix(CUT_MARK) + "\n…" if text.endswith(CUT_MARK) else text


def _status(data: Facts) -> Facts | None:
    if data.get("status") != "cancelled":
        return None
    why = " by ".join(str(data[key]) for key in ("reason", "by") if data.get(key))
    return {"kind": "end", "status": "cancelled", "text": why}


def _said(data: Facts) -> Facts:
    return {"kind": "spoken", "text": _words(data.get("text"))}


def _told(data: Facts) -> Facts:
    parts = (_chosen(data.get("data")), _words(data.get("text")))
    return {"kind": "told", "text": "\n".join(filter(None, parts))}


def _chosen(data: object) -> str:
    """Return the choice in an answer, without the ids by which the agent knows its questions."""
    if not isinstance(data, dict):
        return worded(data)
    match {name: part for name, part in cast("dict[str, Any]", data).items() if name != "request_id"}:
        case {"option_id": str(choice), **rest} | {"method_id": str(choice), **rest} if not rest:
            return choice.replace("_", " ")
        case {"answers": answers, **rest} if not rest:
            return worded(answers)
        case given:
            return worded(given)


def _thought(data: Facts) -> Facts:
    return {
        "kind": "warned" if data.get("warning") or data.get("stderr") else "thought",
        "text": _words(data.get("text")),
    }


def _command(data: Facts) -> Facts:
    code = data.get("exit_code")
    status = data.get("status")
    return {
        "kind": "call",
        "id": data.get("id"),
        "title": _words(data.get("command")),
        "status": "failed" if code else status,
        "code": code,
        "output": _words(data.get("output")),
    }


def _tool(data: Facts) -> Facts:
    given = data.get("input")
    return {
        "kind": "call",
        "id": data.get("id"),
        "title": str(data.get("name") or "tool"),
        "status": data.get("status"),
        **({"input": worded(given)} if given else {}),
        "output": _words(data.get("output")),
    }


def _artifact(data: Facts) -> Facts:
    name = data.get("name") or data.get("artifact_id") or "something"
    return {"kind": "call", "title": f"hands over {name}", "status": "completed", "output": _words(data.get("text"))}


def _changed(data: Facts) -> Facts:
    changes = [_change(change) for change in objects(data.get("changes")) or ([data] if data.get("path") else [])]
    return {"kind": "change", "changes": changes, "status": data.get("status"), "text": _words(data.get("output"))}


def _change(change: Mapping[str, Any]) -> Facts:
    old, new = (_lines(change.get(key)) for key in ("old_text", "new_text"))
    kind = change.get("kind") or "update"
    return {"path": str(change.get("path") or ""), "kind": str(kind), "lines": _diff(old, new)}


def _lines(text: object) -> list[str]:
    return [line[:_DIFF_WIDTH] for line in str(text or "").splitlines()[:_MOST_LINES]]


def _diff(old: list[str], new: list[str]) -> list[str]:
    lines = list(difflib.unified_diff(old, new, lineterm="", n=3))[2:]
    left = len(lines) - _DIFF_LINES
    return [*lines[:_DIFF_LINES], f"… {left} more lines"] if left > 0 else lines


def _plan(data: Facts) -> Facts:
    items = [{"text": str(one.get("text") or ""), "status": one.get("status")} for one in objects(data.get("items"))]
    return {"kind": "plan", "items": items}


def _asked(data: Facts) -> Facts:
    return {"kind": "asked", "text": _words(data.get("text") or data.get("error"))}


def _ended(data: Facts) -> Facts:
    reason = f" ({data['reason']})" if data.get("reason") else ""
    status = data.get("status") or "completed"
    return {
        "kind": "end",
        "status": status,
        "text": _words(data.get("error")) + reason,
        "stderr": _words(data.get("stderr")),
    }


_TOLD: dict[str, Callable[[Facts], Facts | None]] = {
    "status_changed": _status,
    "agent_message": _said,
    "message_added": _told,
    "reasoning": _thought,
    "command_started": _command,
    "command_updated": _command,
    "command_finished": _command,
    "tool_started": _tool,
    "tool_finished": _tool,
    "file_changed": _changed,
    "todo_updated": _plan,
    "artifact_added": _artifact,
    "input_required": _asked,
    "auth_required": _asked,
    "run_completed": _ended,
    "run_failed": _ended,
    "rejected": _ended,
}
