"""Words that reports about ComfyUI share. Pure."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes half a second to load, and top tells of jobs without it
    from mcp_background_job.comfyui.reports.report import Report


def since(moment: str) -> float:
    """Return how many seconds ago a moment of a report was."""
    return time.time() - datetime.fromisoformat(moment).timestamp()


def note(report: Report) -> str:
    """Return the note of what is reported, in quotation marks behind a space, if it has one."""
    return f" “{report['note']}”" if "note" in report else ""
