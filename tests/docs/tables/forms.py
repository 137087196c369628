"""What a value must be, in a word or two, from its JSON schema."""

from __future__ import annotations

from typing import Any

_WORDS = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", None: "any value"}
_SEVERAL = {"string": "texts", "integer": "whole numbers", "number": "numbers", "object": "objects"}


def form_of(schema: dict[str, Any]) -> str:
    """Return the form of the values that a schema takes."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(form_of(one) for one in schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        return f"list{_of(schema['items'])}"
    if kind == "object":
        return f"object{_of(schema.get('additionalProperties'))}"
    return _WORDS.get(kind, str(kind))


def _of(parts: Any) -> str:
    if not isinstance(parts, dict) or not parts:
        return ""
    if parts["type"] == "array":
        return f" of lists{_of(parts['items'])}"
    return f" of {_SEVERAL[parts['type']]}"
