"""Watches a batch, and tells how it is doing or ended."""

from __future__ import annotations

import math
import time

from mcp_background_job.cli import exit_codes
from mcp_background_job.cli.comfyui import watching
from mcp_background_job.cli.comfyui.batches import ending, views
from mcp_background_job.cli.comfyui.exit_codes import of_batch
from mcp_background_job.cli.comfyui.views import Nothing, View
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports import queue_report
from mcp_background_job.core.comfyui.batch import TERMINAL


async def report(comfyui: ComfyUI, batch_id: str, *, wait_s: float | None, follow: bool, as_json: bool) -> int:
    """Write how a batch is doing, now or after it was waited for; returns the exit code.

    Args:
        comfyui: that runs it.
        batch_id: of the batch.
        wait_s: for its end, for so long.
        follow: show meanwhile how it gets on, and without ``wait_s`` wait as long as it takes.
        as_json: write JSON.
    """
    limit_s = wait_s if wait_s is not None else math.inf if follow else 0.0
    shown = views.live() if follow and not as_json else Nothing[BatchView]()
    view = await watch(comfyui, batch_id, time.monotonic() + limit_s, shown)
    ending.write(queue_report.of_batch(view), as_json=as_json)
    if (follow or wait_s is not None) and view.status not in TERMINAL:
        return exit_codes.TIMED_OUT
    return of_batch(view.status)


async def watch(comfyui: ComfyUI, batch_id: str, deadline: float, view: View[BatchView]) -> BatchView:
    """Return what is known of a batch when it is over, or at a monotonic moment; Ctrl-C leaves it alone.

    Raises:
        UnknownBatchError: there is no such batch.
    """

    async def look() -> BatchView:
        return await comfyui.batches.view(batch_id)

    return await watching.watch(
        look,
        lambda batch: batch.status in TERMINAL,
        deadline,
        view,
        left_alone=f"batch {batch_id} goes on; {PROGRAM} comfyui batch {batch_id} --follow watches "
        f"it again, {PROGRAM} comfyui batch cancel {batch_id} stops it",
    )
