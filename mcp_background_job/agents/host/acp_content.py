"""What stands in the content of ACP messages. Total: whatever an agent sends, something comes out."""

from __future__ import annotations

import json
from typing import Any

from mcp_background_job.agents.adapters.reading import JsonObject, mapping, objects


def text_of(block: Any) -> str:
    """Return a content block as text; what is no text is named."""
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "resource_link" | "resource", **rest}:
            return f"[resource {mapping(rest.get('resource')).get('uri') or rest.get('uri')}]"
        case {"type": str(kind)}:
            return f"[{kind}]"
        case _:
            return ""


def output_of(call: JsonObject) -> str:
    """Return what a call has put out so far, from wherever its agent puts it."""
    meta = mapping(call.get("_meta"))
    terminal = mapping(meta.get("terminal_output_delta")).get("data")  # codex
    texts = [text_of(item.get("content")) for item in objects(call.get("content")) if item.get("type") == "content"]
    raw = call.get("rawOutput")
    return "\n".join(text for text in texts if text) or _text(terminal) or _text(raw)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str(text) | {"output": str(text)} | {"error": str(text)}:
            return text
        case _:
            return json.dumps(value, ensure_ascii=False)


def exit_code_of(call: JsonObject) -> int | None:
    """Return the exit code of a command, if its agent says it anywhere; the protocol has no place for it."""
    raw = mapping(call.get("rawOutput"))
    places = (
        mapping(mapping(call.get("_meta")).get("terminal_exit")).get("exit_code"),  # codex
        mapping(raw.get("metadata")).get("exit"),  # opencode
        raw.get("exitCode"),
        raw.get("exit_code"),
    )
    return next((code for code in places if isinstance(code, int)), None)


def changes_of(call: JsonObject) -> list[JsonObject]:
    """Return what a call changes: its diffs, or else the files that it names."""
    diffs = [item for item in objects(call.get("content")) if item.get("type") == "diff"]
    if diffs:
        return [_change(diff) for diff in diffs]
    kind = call.get("kind")
    named = "update" if kind == "edit" else kind
    return [{"path": place.get("path"), "kind": named} for place in objects(call.get("locations"))]


def _change(diff: JsonObject) -> JsonObject:
    old = diff.get("oldText")
    kind = "add" if old is None else "update"
    return {"path": diff.get("path"), "kind": kind, "old_text": old, "new_text": diff.get("newText")}
