"""``comfyui dispatch``: work on a batch until it is over. It is the command of a batch's job."""

from __future__ import annotations

import os

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.cli.session import CLIENT
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.core.batch import BatchStatus
from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE

_EXIT_CODES = {
    BatchStatus.SUCCEEDED: exit_codes.OK,
    BatchStatus.RUNNING: exit_codes.OK,  # ComfyUI is restarted when this job has completed, and another goes on
    BatchStatus.FAILED: exit_codes.RENDER_FAILED,
    BatchStatus.CANCELED: exit_codes.RENDER_STOPPED,
}


def dispatch(batch_id: str, /) -> int:
    """Feed the prompts of a batch to ComfyUI, a few at a time, until it is over.

    Args:
        batch_id: Of the batch.
    """
    return with_comfyui(lambda comfyui: _dispatch(comfyui, batch_id))


async def _dispatch(comfyui: ComfyUI, batch_id: str) -> int:
    status = await comfyui.dispatch(batch_id, job_id=os.environ.get(JOB_ID_VARIABLE), client=CLIENT, say=_say)
    _say(f"batch {batch_id} {status}")
    return _EXIT_CODES[status]


def _say(text: str) -> None:
    terminal.line(text)
    terminal.flush()
