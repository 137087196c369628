"""What stands in the content of ACP messages. Total: whatever an agent sends, something comes out."""

from __future__ import annotations

import json
import re
from typing import Any

from mcp_background_job.agents.adapters.reading import JsonObject, integer, known, mapping, objects, text

#: Statuses of a call that is over.
OVER = frozenset({"completed", "failed"})

#: Where the pieces that a command has printed are put together in what is known of a call.
PRINTED = "printed"

#: Characters of them that are kept: the last ones.
PRINTED_MAX = 1024**2

_EXIT_CODE = re.compile(r"Exit code (\d{1,3})\b")


def printed_in(update: JsonObject) -> str:
    """Return what a command has printed since the last update, as codex tells it: piece by piece."""
    return text(mapping(mapping(update.get("_meta")).get("terminal_output_delta")).get("data"))


def text_of(block: Any) -> str:
    """Return a content block as text; what is not a text is named."""
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
    """Return what a call has put out so far, from wherever its agent puts it.

    What comes in pieces is told when the call is over: told again with each piece it would grow with their square.
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
    """Return the exit code of a command, if its agent says it anywhere; the protocol has no place for it."""
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
    """Return what a call changes: its diffs, or else the files that it names."""
    diffs = [item for item in objects(call.get("content")) if item.get("type") == "diff"]
    if diffs:
        return [_change(diff) for diff in diffs]
    kind = call.get("kind")
    named = "update" if kind == "edit" else kind
    return [known(path=place.get("path"), kind=named) for place in objects(call.get("locations"))]


def _change(diff: JsonObject) -> JsonObject:
    old = diff.get("oldText")
    kind = "add" if old is None else "update"
    texts = {"old_text": old, "new_text": diff.get("newText")}  # an empty one is a fact
    return known(path=diff.get("path"), kind=kind) | {name: words for name, words in texts.items() if words is not None}
