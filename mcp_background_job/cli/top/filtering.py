"""What the words mean that a list of jobs is filtered by. Pure."""

from __future__ import annotations

from typing import Any

from mcp_background_job.core.states import STATUSES


def meant_by(words: str) -> dict[str, Any]:
    """Return which jobs are meant: words that are statuses choose by those, all others are text to be found in them."""
    parts = words.split()
    statuses = [part.lower() for part in parts if part.lower() in STATUSES]
    text = " ".join(part for part in parts if part.lower() not in STATUSES)
    return {"status": ",".join(statuses) or None, "text": text or None}
