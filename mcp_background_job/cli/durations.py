"""Lengths of time and moments as people type them."""

from __future__ import annotations

import re
from datetime import datetime

from mcp_background_job.errors import InvalidRequestError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)?")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds(text: str, what: str) -> float:
    """Read ``90``, ``90s``, ``5m``, ``1.5h``, ``7d`` or ``2w``.

    Raises:
        InvalidRequestError: it is not a length of time; ``what`` is named in the message.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidRequestError(f"{what} {text!r}: give seconds, or a length of time such as 90s, 5m, 2h or 7d")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def moment(text: str, now: float, what: str) -> float:
    """Return the moment that ``5m``, ``5m ago`` or an ISO 8601 time (local unless it says so) names, since the epoch.

    Raises:
        InvalidRequestError: it is neither; ``what`` is named in the message.
    """
    length = text.strip().removesuffix(" ago")
    if _DURATION.fullmatch(length.strip()):
        return now - seconds(length, what)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise InvalidRequestError(
            f"{what} {text!r}: give a length of time such as 5m or 5m ago, a time such as 2030-01-31T12:00, or an "
            "offset in bytes"
        ) from error
