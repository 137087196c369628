"""Cuts the large fields of an event to a preview, and notes what was cut; the whole is kept beside the events.

The limits are those of the orchestration server whose tools we offer: a model reads the events.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, cast

#: Characters that an event keeps of a text, and of a command's output.
MAX_TEXT = 2000
MAX_OUTPUT = 4000
_OUTPUTS = frozenset({"stdout", "stderr", "output", "aggregated_output"})

#: Bytes that an event keeps of a structure, as JSON.
MAX_STRUCTURE = 4096

CUT_MARK = "\n...[truncated, see artifact_refs]"

#: One encoder for all events: ``json.dumps`` would make a new one each time.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

#: Only we may refer to files: if an agent named some itself, any reader could have them read.
_REFERENCES = "artifact_refs"

#: Levels of a structure that are kept; no agent uses more on purpose.
_MAX_DEPTH = 60


@dataclass(frozen=True)
class Artifact:
    """A field that was cut.

    Attributes:
        field_path: JSON Pointer in the event's data.
        relpath: its path in the run's directory.
        mime: its type.
        content: all of it, in UTF-8.
        characters: the length of a text; ``None`` for a structure.
    """

    field_path: str
    relpath: str
    mime: str
    content: bytes
    characters: int | None


def cut(data: dict[str, Any], folder: str) -> tuple[dict[str, Any], list[Artifact]]:
    """Return data whose fields are all set and small, with ``artifact_refs`` to the cut fields; and those fields.

    Args:
        data: the data of an event: JSON as ``json.loads`` gives it, which may hold values that JSON forbids (NaN, lone
            surrogates).
        folder: the folder for artifacts, in the run's directory.
    """
    small: dict[str, Any] = {}
    artifacts: list[Artifact] = []
    for told, value in clean(data).items():
        if value is None:  # an unknown value is left out
            continue
        name = f"its_{told}" if told == _REFERENCES else told
        if isinstance(value, str):
            limit = MAX_OUTPUT if name in _OUTPUTS else MAX_TEXT
            if len(value) <= limit:
                small[name] = value
                continue
            small[name] = value[:limit] + CUT_MARK
            content, mime, characters = value.encode(), "text/plain", len(value)
        else:
            content, mime, characters = as_json(value), "application/json", None
            if len(content) <= MAX_STRUCTURE:
                small[name] = value
                continue
            kind = "array" if isinstance(value, list) else "object"
            small[name] = {"artifact_summary": {"original_type": kind, "total_bytes": len(content)}}
        relpath = f"{folder}/{len(artifacts) + 1}.{'txt' if characters is not None else 'json'}"
        artifacts.append(Artifact(_pointer(name), relpath, mime, content, characters))
    if artifacts:
        small[_REFERENCES] = {artifact.field_path: _reference(artifact) for artifact in artifacts}
    return small, artifacts


def as_json(value: Any) -> bytes:
    """Return clean data as one line of JSON, without its newline."""
    return _ENCODER.encode(value).encode()


def clean(data: dict[str, Any]) -> dict[str, Any]:
    """Return data that can be written as JSON and UTF-8; values that cannot are replaced."""
    try:
        as_json(data)
    except (ValueError, TypeError, RecursionError):  # UnicodeEncodeError is a ValueError
        return cast("dict[str, Any]", _cleaned(data, 0))
    return data


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, int):
        return value
    if depth < _MAX_DEPTH and isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return {_cleaned(str(key), depth): _cleaned(part, depth + 1) for key, part in pairs}
    if depth < _MAX_DEPTH and isinstance(value, list):
        return [_cleaned(part, depth + 1) for part in cast("list[Any]", value)]
    return f"[{type(value).__name__} left out]"


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")  # RFC 6901


def _reference(artifact: Artifact) -> dict[str, Any]:
    reference: dict[str, Any] = {
        "field_path": artifact.field_path,
        "relpath": artifact.relpath,
        "mime": artifact.mime,
        "encoding": "utf-8",
        "total_bytes": len(artifact.content),
        "total_chars": artifact.characters,
        "chunk_count": 1,
        "truncated": True,
    }
    return {key: value for key, value in reference.items() if value is not None}
