"""How fields of reports read: people get words and units, a pipe the names and values of JSON. Pure."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from mcp_background_job.core.text import duration, size


def label(name: str) -> str:
    """Return what people read for a field: its name without its unit."""
    return re.sub(r"_(bytes|s|at|id)$", "", name).replace("canceled", "cancelled").replace("_", " ")


def value(name: str, known: Any) -> str:
    """Return what people read for the value of a field, by the unit in its name."""
    if name.endswith("_at") and isinstance(known, str):
        return moment(known)
    if isinstance(known, int | float) and not isinstance(known, bool):
        if name.endswith("_s"):
            return duration(known)
        if name.endswith("_bytes"):
            return size(int(known))
    return str(known)


def moment(iso: str) -> str:
    """Return a moment in local time, and how long ago it was."""
    then = datetime.fromisoformat(iso)
    ago = duration(time.time() - then.timestamp())
    return f"{then.astimezone().isoformat(sep=' ', timespec='seconds')} ({ago} ago)"
