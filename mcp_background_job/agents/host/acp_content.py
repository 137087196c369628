"""Reads the content of ACP messages. Total: every message gives some result."""

from __future__ import annotations

import json
import re
from typing import Any

from mcp_background_job.agents.adapters.reading import JsonObject, integer, known, mapping, objects, text

#: Statuses of a call that is over.
OVER = frozenset({"completed", "failed"})

#: The key under which a call's facts hold the output that a command has printed piece by piece.
PRINTED = "printed"

#: Characters of that output that are kept: the last ones.
PRINTED_MAX = 1024**2

_EXIT_CODE = re.compile(r"Exit code (\d{1,3})\b")


def printed_in(update: JsonObject) -> str:
    """Return what a command has printed since the last update, as Codex reports it: piece by piece."""
    return text(mapping(mapping(update.get("_meta")).get("terminal_output_delta")).get("data"))


def text_of(block: Any) -> str:
    """Return a content block as text; a block that is not text appears by name."""
    match block:
        case {"type": "text", "text": str(words)} | {"type": "resource", "resource": {"text": str(words)}}:
            return words
        case {"type": "resource_link" | "resource", **rest}:
            return f"[resource {mapping(rest.get('resource')).get('uri') or rest.get('uri')}]"
        case {"type": str(kind)}:
            return f"[{kind}]"
        case _:
            return ""


def output_of(call: JsonObject) -> str:
    """Return the output of a call so far, from wherever its agent puts it.

    Output that comes in pieces is returned only when the call is over: repeating it with each piece would take
    quadratic space.
    """
    blocks = [text_of(item.get("content")) for item in objects(call.get("content")) if item.get("type") == "content"]
    printed = call.get(PRINTED) if text(call.get("status")) in OVER else ""
    return "\n".join(block for block in blocks if block) or printed or _raw_text(call.get("rawOutput"))


def _raw_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str(words) | {"output": str(words)} | {"error": str(words)}:
            return words
        case _:
            return json.dumps(value, ensure_ascii=False)


def exit_code_of(call: JsonObject) -> int | None:
    """Return the exit code of a command, if its agent gives it anywhere; the protocol has no field for it."""
    raw = mapping(call.get("rawOutput"))
    places = (
        mapping(mapping(call.get("_meta")).get("terminal_exit")).get("exit_code"),  # codex
        mapping(raw.get("metadata")).get("exit"),  # opencode
        raw.get("exitCode"),
        raw.get("exit_code"),
    )
    said = _EXIT_CODE.match(text(call.get("rawOutput")))  # claude
    return next((code for place in places if (code := integer(place)) is not None), int(said[1]) if said else None)


def changes_of(call: JsonObject) -> list[JsonObject]:
    """Return the changes of a call: its diffs, or else the files that it names."""
    diffs = [item for item in objects(call.get("content")) if item.get("type") == "diff"]
    if diffs:
        return [_change(diff) for diff in diffs]
    kind = call.get("kind")
    named = "update" if kind == "edit" else kind
    return [known(path=place.get("path"), kind=named) for place in objects(call.get("locations"))]


def _change(diff: JsonObject) -> JsonObject:
    old = diff.get("oldText")
    kind = "add" if old is None else "update"
    texts = {"old_text": old, "new_text": diff.get("newText")}  # an empty text is a value too
    return known(path=diff.get("path"), kind=kind) | {name: words for name, words in texts.items() if words is not None}
