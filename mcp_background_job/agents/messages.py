"""Messages to an agent: parts of text, data and files, as the orchestration tools have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_background_job.errors import InvalidRequestError

_ROLES = ("user", "agent", "system")
_FORM = 'input_message is {"role": "user", "parts": [{"type": "text", "text": "…"}]}'


@dataclass(frozen=True)
class Message:
    """What a message comes to: a text for the agent, and data for whatever it asked."""

    text: str = ""
    data: dict[str, Any] = field(default_factory=dict[str, Any])


def read(message: Mapping[str, Any]) -> Message:
    """Read a message.

    Raises:
        InvalidRequestError: it has no role, no part, or a part that means nothing.
    """
    parts: object = message.get("parts")
    if message.get("role") not in _ROLES or not isinstance(parts, list) or not parts:
        raise InvalidRequestError(f"{_FORM}; role is one of {', '.join(_ROLES)}, and there is at least one part")
    texts: list[str] = []
    data: dict[str, Any] = {}
    for part in cast("list[object]", parts):
        match part:
            case {"type": "text", "text": str(text)} if text:
                texts.append(text)
            case {"type": "data", "data": dict()}:
                data |= cast("dict[str, dict[str, Any]]", part)["data"]
            case {"type": "file", "uri": str(uri)} if uri:
                texts.append(f"File: {uri}")
            case _:
                raise InvalidRequestError(
                    f"a part of input_message cannot be used: {part!r:.200}; {_FORM}, or a part "
                    '{"type": "data", "data": {…}} or {"type": "file", "uri": "…"}'
                )
    return Message("\n\n".join(texts), data)
