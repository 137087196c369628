"""Which of the known names somebody may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: How alike two names are of which one may be a slip of the other, from 0 to 1. Below that, a suggestion is noise.
_ALIKE = 0.6


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return the known names that resemble a name, best first.

    Case, folder, file ending and hyphens in front do not count. If none resembles it, none is returned: the message
    should then say how to list them.
    """
    import difflib  # noqa: PLC0415  only for a name that is not known

    by_plain: dict[str, list[str]] = {}
    for one in known:
        by_plain.setdefault(_plain(one), []).append(one)
    alike = difflib.get_close_matches(_plain(name), by_plain, limit, cutoff=_ALIKE)
    return [one for plain in alike for one in by_plain[plain]][:limit]


def _plain(name: str) -> str:
    return re.sub(r"\.[a-z]{2,}$", "", name.replace("\\", "/").rsplit("/", 1)[-1].lower().lstrip("-"))
