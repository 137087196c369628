"""Reads values for inputs as people type them: ``3.inputs.seed=1,2,3``. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn, cast

from mcp_background_job.errors import InvalidRequestError

#: A comma with a space behind it belongs to a text: prompts are full of them.
_COMMA = re.compile(r",(?!\s)")


def overrides_of(options: Iterable[str]) -> dict[str, list[Any]]:
    """Return the values of each path; options that name the same path add to each other.

    Raises:
        InvalidRequestError: an option has no path or no values.
    """
    found: dict[str, list[Any]] = {}
    for option in options:
        path, separator, text = option.partition("=")
        if not separator or not path.strip():
            raise InvalidRequestError(
                f"--override {option!r}: give a path and its values, such as 3.inputs.seed=1,2,3 or "
                '6.inputs.text=["a cat","a dog"]'
            )
        found.setdefault(path.strip(), []).extend(values_of(text))
    return found


def values_of(text: str) -> list[Any]:
    """Return the values in a list in JSON, or between commas: each what it is in JSON, or else the text itself."""
    if not text.strip():
        return [text]
    whole = _json(text)
    if isinstance(whole, list):
        return cast("list[Any]", whole)
    several = _json(f"[{text}]")
    if several is not None:
        return cast("list[Any]", several)
    return [_value(part) for part in _COMMA.split(text)]


def _value(text: str) -> Any:
    if text.strip() == "null":
        return None
    value = _json(text)
    return text if value is None else value


def _json(text: str) -> Any:
    """Return what JSON text means; ``None`` if it is none."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which no server takes for JSON."""
    raise ValueError(name)
