"""Which of the known names somebody may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return the known names that are most like a name, best first; case, folder and file ending do not count."""
    import difflib  # noqa: PLC0415  only for a name that is not known

    by_plain: dict[str, str] = {}
    for one in known:
        by_plain.setdefault(_plain(one), one)
    return [by_plain[plain] for plain in difflib.get_close_matches(_plain(name), by_plain, limit, cutoff=0.5)]


def _plain(name: str) -> str:
    return re.sub(r"\.[a-z]{2,}$", "", name.replace("\\", "/").rsplit("/", 1)[-1].lower())
