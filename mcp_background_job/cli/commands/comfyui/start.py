"""``comfyui start``: start ComfyUI as a background job."""

from __future__ import annotations

from mcp_background_job.cli.arguments import AsJson, Seconds
from mcp_background_job.cli.comfyui.lifecycle import READY_S, carry_out
from mcp_background_job.cli.session import CLIENT


def start(*, wait: Seconds = READY_S, as_json: AsJson = False) -> int:
    """Start ComfyUI as a background job, and wait until it answers.

    Args:
        wait: For how long, in seconds or as 5m; it goes on starting afterwards.
        as_json: Print JSON, with the field names of the tools.
    """
    return carry_out(
        lambda comfyui: comfyui.lifecycle.start(client=CLIENT, wait_s=wait), "starting ComfyUI", as_json=as_json
    )
