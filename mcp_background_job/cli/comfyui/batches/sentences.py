"""One sentence for each report about a batch. Pure."""

from __future__ import annotations

from datetime import datetime

from mcp_background_job.cli.comfyui.words import note
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.comfyui.batch import Counts, spoken
from mcp_background_job.core.text import duration


def of_batch(report: Report) -> str:
    """Return how a batch is doing, or how it ended."""
    took = f" in {_between(report['created_at'], report['ended_at'])}" if "ended_at" in report else ""
    counts = Counts(**report["counts"]).in_words
    return f"batch {report['batch_id']}{note(report)} {spoken(report['status'])}{took}: {counts}"


def _between(began: str, ended: str) -> str:
    return duration((datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds())
