"""JSON from outside, of which nothing is certain. Total: whatever is there, something of the right kind comes out."""

from __future__ import annotations

from typing import Any, cast

Json = dict[str, Any]


def as_dict(value: Any) -> Json:
    """Return the object, or an empty one in place of anything else."""
    return cast("Json", value) if isinstance(value, dict) else {}


def dicts(value: Any) -> list[Json]:
    """Return the objects in a list; anything else is none."""
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Json", item) for item in items if isinstance(item, dict)]
