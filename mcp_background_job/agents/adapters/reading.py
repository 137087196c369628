"""Reads one line of an agent, which may hold anything: each function returns the type that its caller expects."""

from __future__ import annotations

import json
from typing import Any, TypeAlias, cast

from pydantic_core import from_json

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.core.run import EventType

JsonObject: TypeAlias = dict[str, Any]

#: Characters of a bad line that its event shows, as of any other text. The whole line is in the job's log.
_PREVIEW = 2000


def object_in(line: bytes) -> JsonObject | None:
    """Return the JSON object in a line, or ``None`` if it holds none."""
    try:
        value = _strictly(line)
    except ValueError:
        value = _repaired(line)
    return cast("JsonObject", value) if isinstance(value, dict) else None


def _strictly(line: bytes) -> Any:
    # It is three times as fast as the standard library's parser. It also limits depth and numbers, so all it reads can
    # be written.
    return from_json(line, allow_inf_nan=False, cache_strings="keys")


def _repaired(line: bytes) -> Any:
    """Read a line whose text alone is bad: bytes that are not UTF-8, or half an emoji, as JavaScript cuts them."""
    try:
        value = json.loads(line.decode(errors="replace"))
        return _strictly(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def unparsed(line: bytes) -> Event:
    """Return the event for a line that is not a message of the agent: the line itself, shortened."""
    preview = line[: 4 * _PREVIEW].decode(errors="replace")[:_PREVIEW]
    return Event(EventType.REASONING, {"text": preview, "unparsed": True, "bytes": len(line)})


def text(value: Any) -> str:
    """Return the value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> JsonObject:
    """Return the value if it is an object, else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def objects(value: Any) -> list[JsonObject]:
    """Return the objects of a list; none if the value is not a list."""
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("JsonObject", item) for item in items if isinstance(item, dict)]


def integer(value: Any) -> int | None:
    """Return the value if it is an integer, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def known(**fields: Any) -> JsonObject:
    """Return the fields that have a value: neither ``None`` nor an empty text."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}
