"""The form of numbers and times in answers and tables."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from mcp_background_job.errors import InvalidRequestError

_STEPS = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600))


def duration(seconds: float) -> str:
    """Return a length of time in one unit: ``0.3 s``, ``42 s``, ``3 min``, ``2.5 h``, ``4 d``."""
    if seconds < 10:  # noqa: PLR2004  below ten a decimal matters
        return f"{max(0.0, seconds):.1f} s"
    for limit, unit, size in _STEPS:
        if seconds < limit:
            value = seconds / size
            return f"{value:.1f} {unit}" if unit == "h" and value < 10 else f"{value:.0f} {unit}"  # noqa: PLR2004
    return f"{seconds / 86400:.0f} d"


def counted(count: int, what: str, several: str = "") -> str:
    """Return how many there are of something: ``1 job``, ``3 jobs``; its plural if that has more than an s behind."""
    return f"{count} {what if count == 1 else several or f'{what}s'}"


def size(count: int) -> str:
    """Return a number of bytes in one unit: ``512 B``, ``1.5 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"  # noqa: PLR2004
        value /= 1000
    return f"{value:.1f} TB"


def one_line(text: str, limit: int) -> str:
    """Return the text on one line of at most ``limit`` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def command_on_one_line(text: str, limit: int) -> str:
    """Return a command on one line of at most ``limit`` characters, with a mark where each of its own lines ends."""
    lines = [" ".join(line.split()) for line in text[: limit * 2].splitlines()]
    return one_line(" ↵ ".join(line for line in lines if line) + ("…" if len(text) > limit * 2 else ""), limit)


def shortened(text: str, limit: int) -> str:
    """Return the text cut to ``limit`` characters, its lines as they are."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def end_of(text: str, limit: int) -> str:
    """Return the end of a text, at most ``limit`` characters; of a cut text, "…" and then a whole word."""
    if len(text) <= limit:
        return text
    kept = text[len(text) + 1 - limit :]
    space = re.search(r"\s(?=\S)", kept)
    return "…" + kept[space.start() if space else 0 :]


def expanded(path: str) -> str:
    """Return a path with ``~`` replaced by the home directory; ``~`` stays if there is none, or no such user."""
    return os.path.expanduser(path)  # noqa: PTH111  pathlib's raises


def real_path(path: str, start: str = "") -> str:
    """Return where a path leads over links: a relative one from ``start``, one with ``~`` from the home directory.

    Raises:
        InvalidRequestError: the text cannot be a path.
    """
    try:
        return os.path.realpath(os.path.join(start, expanded(path)))  # noqa: PTH118  pathlib's knows no "" for here
    except ValueError as error:  # a NUL byte, or half of a surrogate pair
        raise InvalidRequestError(f"{path!r} is not a path: {error}") from error


def iso(moment: float | None) -> str | None:
    """Return a moment in UTC, to the second."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
