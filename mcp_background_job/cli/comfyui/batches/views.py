"""What is shown of a batch while it is watched."""

from __future__ import annotations

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui.batches import sentences
from mcp_background_job.cli.comfyui.views import Lines, View
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.reports import queue_report
from mcp_background_job.core.comfyui.batch import TERMINAL


def live() -> View[BatchView]:
    """Return the view of a batch that is followed."""
    if not terminal.for_people():
        return Lines(_place, _line)
    from mcp_background_job.cli.comfyui.batches.bar import BatchBar  # noqa: PLC0415  a pipe does without rich

    return BatchBar()


def _place(batch: BatchView) -> object:
    """Return how far a batch is; ``None`` once it is over."""
    return None if batch.status in TERMINAL else (batch.status, batch.counts.ended, batch.trouble)


def _line(batch: BatchView) -> str:
    known = queue_report.of_batch(batch)
    return sentences.of_batch(known) + (f"; {typed(known['trouble'])}" if "trouble" in known else "")
