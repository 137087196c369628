"""``comfyui start``: start ComfyUI as a background job."""

from __future__ import annotations

from typing import Literal

from mcp_background_job.actions.comfyui.lifecycle import StartAnywhere
from mcp_background_job.cli.arguments import AsJson, Seconds
from mcp_background_job.cli.comfyui.lifecycle.carrying_out import READY_S, carry_out
from mcp_background_job.cli.session import caller


def start(
    *,
    on: str = "",
    wait: Seconds = READY_S,
    restart: Literal["no", "on-failure"] = "no",
    as_json: AsJson = False,
) -> int:
    """Start ComfyUI as a background job, and wait until it answers.

    Args:
        on: Where to start it, and with which resources: "slurm gpus=1". It joins the other ComfyUIs.
        wait: Wait this long, in seconds or as 5m; it goes on starting afterwards.
        restart: on-failure starts it again when it crashes.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = StartAnywhere(on=on, wait_s=wait, restart=restart)
    return carry_out(lambda life: life.start_comfyui(caller(), asked), "starting ComfyUI", as_json=as_json)
