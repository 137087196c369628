"""``comfyui feed``: send what waits for a ComfyUI, until nothing does. It is the command of the feeder's job."""

from __future__ import annotations

import os

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.session import CLIENT
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE


def feed(batch_id: str = "", /) -> int:
    """Feed the prompts of all batches of a ComfyUI to it, a few at a time, until none is left.

    Args:
        batch_id: Not needed: release 1.0.0 had a job of its own for each batch, whose command may still be to run.
    """
    del batch_id
    return with_comfyui(_feed)


async def _feed(comfyui: ComfyUI) -> int:
    await comfyui.feed(job_id=os.environ.get(JOB_ID_VARIABLE), client=CLIENT, say=_say)
    return exit_codes.OK  # after a restart of ComfyUI another job goes on


def _say(text: str) -> None:
    terminal.line(text)
    terminal.flush()
