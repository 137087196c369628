"""Signs of life of a runner on a node: when its files changed, as seen from here."""

from __future__ import annotations

import os
from collections.abc import Iterable


def changed_at(paths: Iterable[str]) -> float:
    """Return when any of these files changed last (seconds since the epoch); 0 if there are none."""
    newest = 0.0
    for path in paths:
        try:
            newest = max(newest, os.stat(path).st_mtime)
        except OSError:
            continue
    return newest
