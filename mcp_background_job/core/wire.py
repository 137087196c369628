"""Makes everything that leaves as JSON or text valid UTF-8.

Arguments of processes, paths and variables of an environment are bytes, which Python holds in a ``str`` as lone
surrogates. JSON as UTF-8 has no form for those. A serializer that meets one raises, and an answer or a server is lost.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any, cast

from mcp_background_job.core.output.harmless import shown_in_json

_LONE = re.compile("[\ud800-\udfff]")

#: Python adds this to a byte that is not UTF-8 (PEP 383).
_BYTES_FROM = 0xDC00
_BYTES = range(_BYTES_FROM + 0x80, _BYTES_FROM + 0x100)

#: Levels of nesting of arrays and objects. A workflow has about five; Python's own functions fail near a thousand.
MAX_DEPTH = 100

#: One encoder for all: ``json.dumps`` would make a new one for each value.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

#: Characters of a text that a message quotes.
_QUOTED = 100


def utf8(text: str) -> str:
    r"""Return text that can be encoded: a byte that is not UTF-8 becomes ``\xff``, as shells take it in ``$'...'``."""
    return text if text.isascii() else _LONE.sub(_shown, text)


def plain(value: Any) -> Any:
    """Return a value made of types that JSON has: text that can be encoded, and ``None`` for infinities and NaN."""
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, dict):
        return {utf8(str(key)): plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def refusal(value: Any) -> str | None:
    """Return why a value that came as JSON cannot be used at all; ``None`` if it can."""
    level = [value]
    # The loop goes level by level: a recursion would itself fail at the depth that it is to find.
    for _ in range(MAX_DEPTH):
        for text in level:
            if isinstance(text, str) and not text.isascii() and _LONE.search(text):
                return f"'{utf8(text):.{_QUOTED}}' holds half of a surrogate pair, which is not a character"
        level = [part for item in level for part in _parts(item)]
        if not level:
            return None
    return f"it is nested more than {MAX_DEPTH} levels deep"


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [part for pair in cast("dict[object, object]", value).items() for part in pair]
    return cast("list[Any]", value) if isinstance(value, list) else []


def to_json(value: Any) -> str:
    """Return a value as compact JSON on one line."""
    return shown_in_json(_encoded(value))


def _encoded(value: Any) -> str:
    with contextlib.suppress(ValueError):  # an infinity or NaN
        text = _ENCODER.encode(value)
        if text.isascii() or not _LONE.search(text):
            return text  # nearly always; to walk through the value takes ten times as long
    return _ENCODER.encode(plain(value))


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - _BYTES_FROM:02x}" if code in _BYTES else f"\\u{code:04x}"
