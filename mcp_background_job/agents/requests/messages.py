"""Messages to an agent: parts of text, data and files, in the form of the orchestration tools."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_background_job.agents.requests.attachments import File
from mcp_background_job.errors import InvalidRequestError

#: Bytes of all files in one message; the whole message is kept in memory.
_MAX_FILES = 32 * 1024 * 1024

_ROLES = ("user", "agent", "system")
_FORM = '{"role": "user", "parts": [{"type": "text", "text": "…"}]}'


@dataclass(frozen=True)
class Message:
    """The content of a message: a text for the agent, data for its question, and files."""

    text: str = ""
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    files: tuple[File, ...] = ()


def read(message: Mapping[str, Any], name: str = "input_message") -> Message:
    """Read a message; errors call it by ``name``.

    Raises:
        InvalidRequestError: it has no role, no part, or a part that is not understood.
    """
    parts: object = message.get("parts")
    if message.get("role") not in _ROLES or not isinstance(parts, list) or not parts:
        raise InvalidRequestError(
            f"{name} is {_FORM}; role is one of {', '.join(_ROLES)}, and there is at least one part"
        )
    texts: list[str] = []
    data: dict[str, Any] = {}
    files: list[File] = []
    for part in cast("list[object]", parts):
        about = cast("dict[object, object]", part) if isinstance(part, dict) else dict[object, object]()
        match cast("object", part):
            case {"type": "text", "text": str(text)} if text:
                texts.append(text)
            case {"type": "data", "data": dict()}:
                data |= cast("dict[str, dict[str, Any]]", part)["data"]
            case {"type": "file", "uri": str(uri)} if uri and "bytes_base64" not in about:
                named = ", ".join(filter(None, (_word(about.get("name")), _word(about.get("mime_type")))))
                texts.append(f"File: {uri}" + (f" ({named})" if named else ""))
            case {"type": "file", "bytes_base64": str(content)} if content and "uri" not in about:
                files.append(File(_bytes(content, name), _word(about.get("name")), _word(about.get("mime_type"))))
            case _:
                raise InvalidRequestError(
                    f"a part of {name} cannot be used: {part!r:.200}; {name} is {_FORM}, or a part "
                    '{"type": "data", "data": {…}} or {"type": "file", "uri" or "bytes_base64": "…", "name": "…", '
                    '"mime_type": "…"}'
                )
    if (size := sum(len(file.content) for file in files)) > _MAX_FILES:
        raise InvalidRequestError(f"the files of {name} have {size:,} bytes; at most {_MAX_FILES:,} are taken")
    return Message("\n\n".join(texts), data, tuple(files))


def _bytes(content: str, name: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise InvalidRequestError(f"bytes_base64 of a file in {name} is not base64: {error}") from error


def _word(value: object) -> str:
    """Return a name or a type as it stands in a line."""
    return " ".join(value.split()) if isinstance(value, str) else ""
