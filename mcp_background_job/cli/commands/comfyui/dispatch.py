"""``comfyui dispatch``: work on a batch until it is over. It is the command of a batch's job."""

from __future__ import annotations

import os

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.cli.session import CLIENT
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE


def dispatch(batch_id: str, /) -> int:
    """Feed the prompts of a batch to ComfyUI, a few at a time, until it is over.

    Args:
        batch_id: Of the batch.
    """
    return with_comfyui(lambda comfyui: _dispatch(comfyui, batch_id))


async def _dispatch(comfyui: ComfyUI, batch_id: str) -> int:
    status = await comfyui.dispatch(batch_id, job_id=os.environ.get(JOB_ID_VARIABLE), client=CLIENT, say=_say)
    _say(f"batch {batch_id} {status}")
    return exit_codes.of_batch(status)  # one that runs goes on in another job, after a restart of ComfyUI


def _say(text: str) -> None:
    terminal.line(text)
    terminal.flush()
