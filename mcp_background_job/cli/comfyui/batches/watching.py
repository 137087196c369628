"""Looks at a batch again and again until it is over."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.comfyui.batches import ending, views
from mcp_background_job.cli.comfyui.batches.views import View
from mcp_background_job.cli.comfyui.exit_codes import of_batch
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports import queue_report
from mcp_background_job.core.comfyui.batch import TERMINAL

#: Between two looks; a batch of prompts that take milliseconds is over at the first ones.
_FIRST_LOOK_S = 0.05
_LOOK_S = 0.5

#: A look that takes long (a silent server) is not repeated at once: a third of the time is spent in looks.
_LOOKS_SHARE = 2.0


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
    shown = views.live() if follow and not as_json else views.Nothing()
    view = await watch(comfyui, batch_id, time.monotonic() + limit_s, shown)
    ending.write(queue_report.of_batch(view), as_json=as_json)
    if (follow or wait_s is not None) and view.status not in TERMINAL:
        return exit_codes.TIMED_OUT
    return of_batch(view.status)


async def watch(comfyui: ComfyUI, batch_id: str, deadline: float, view: View) -> BatchView:
    """Return what is known of a batch when it is over, or at a monotonic moment; Ctrl-C leaves it alone.

    Raises:
        UnknownBatchError: there is no such batch.
    """
    batch = None
    try:
        with view:
            async for batch in _looks(comfyui, batch_id, deadline):
                view.show(batch)
    except asyncio.CancelledError:
        terminal.say_interrupted(
            f"batch {batch_id} is left alone, and goes on; {PROGRAM} comfyui batch {batch_id} --follow watches it "
            f"again, {PROGRAM} comfyui batch cancel {batch_id} stops it"
        )
        raise
    assert batch is not None  # noqa: S101  for the type checker: there is always one look
    return batch


async def _looks(comfyui: ComfyUI, batch_id: str, deadline: float) -> AsyncIterator[BatchView]:
    pause = _FIRST_LOOK_S
    while True:
        asked_at = time.monotonic()
        batch = await comfyui.batches.view(batch_id)
        now = time.monotonic()
        yield batch
        if batch.status in TERMINAL or now >= deadline:
            return
        await asyncio.sleep(min(max(pause, _LOOKS_SHARE * (now - asked_at)), deadline - now))
        pause = min(2 * pause, _LOOK_S)
