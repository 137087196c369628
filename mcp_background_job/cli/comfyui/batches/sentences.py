"""One sentence for each report about a batch. Pure."""

from __future__ import annotations

from datetime import datetime

from mcp_background_job.cli.comfyui.words import note
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.text import duration


def of_batch(report: Report) -> str:
    """Return how a batch is doing, or how it ended."""
    counts = report["counts"]
    over = counts["succeeded"] + counts["failed"] + counts["canceled"]
    parts = [f"{over} of {report['total']} done"]
    parts += [f"{counts[state]} {state}" for state in ("failed", "canceled", "running") if counts[state]]
    took = f" in {_between(report['created_at'], report['ended_at'])}" if "ended_at" in report else ""
    return f"batch {report['batch_id']}{note(report)} {report['status']}{took}: {', '.join(parts)}"


def _between(began: str, ended: str) -> str:
    return duration((datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds())
