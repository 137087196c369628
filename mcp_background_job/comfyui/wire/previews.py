"""Reads the binary frames of a websocket: preview pictures from ComfyUI. Pure.

A frame begins with its kind, four bytes, highest first. In kind 1, four bytes of format precede a picture. Kind 4 also
names the prompt and node; only clients that asked for it when they connected get it. Custom nodes send kinds of their
own, or put more data before the picture: if the data does not begin like a picture, it is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from mcp_background_job.comfyui.wire.answers import decode
from mcp_background_job.comfyui.wire.pictures import form_of, is_picture

#: The first message on a connection; it asks for previews with the ids of prompt and node.
ASK = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})

#: Bytes. A preview has 512 pixels at most, and some tens of kilobytes; larger ones are not passed on.
MAX_SIZE = 1_000_000

_KIND = 4
_PICTURE, _PICTURE_WITH_FACTS = 1, 4


@dataclass(frozen=True)
class Preview:
    """A preview of a node's work; prompt and node are empty if the server does not name them."""

    data: bytes
    form: str
    prompt_id: str = ""
    node_id: str = ""


def preview_of(message: bytes) -> Preview | None:
    """Read a frame; ``None`` if it is not a picture. Never raises."""
    kind, rest = _number(message), message[_KIND:]
    if kind == _PICTURE:
        return _picture(rest[_KIND:], {})
    if kind == _PICTURE_WITH_FACTS:
        length = _number(rest)
        return _picture(rest[_KIND + length :], _facts(rest[_KIND : _KIND + length]))
    return None


def _picture(data: bytes, facts: Mapping[str, Any]) -> Preview | None:
    form = form_of(data)
    if form is None or not is_picture(form) or len(data) > MAX_SIZE:
        return None
    return Preview(data, form, str(facts.get("prompt_id") or ""), str(facts.get("node_id") or ""))


def _facts(content: bytes) -> Mapping[str, Any]:
    try:
        facts = decode(content.decode(errors="replace"))
    except ValueError:
        return {}
    return cast("dict[str, Any]", facts) if isinstance(facts, dict) else {}


def _number(message: bytes) -> int:
    return int.from_bytes(message[:_KIND], "big")
