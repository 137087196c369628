"""``comfyui move``: have a pending prompt run before, or after, all others."""

from __future__ import annotations

from typing import Literal

from mcp_background_job.actions.comfyui.renders import CancelQueued, Rendering
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI


def move(prompt_id: str, /, *, to: Literal["front", "end"] = "front", as_json: AsJson = False) -> int:
    """Move a pending prompt to the front or to the end of the queue.

    Args:
        prompt_id: Its id, as submit and status print it.
        to: Where to move it: front or end.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = CancelQueued(prompt_id=prompt_id, move=to)

    async def moved(comfyui: ComfyUI) -> int:
        known = await Rendering(at_hand(comfyui)).comfyui_cancel_queued_job(caller(), asked)
        if as_json:
            terminal.as_json(known)
        else:
            show.sentence(f"{known['prompt_id']} moved: {known['detail']}", known["status"])
        return exit_codes.OK

    return with_comfyui(moved)
