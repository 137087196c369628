"""``comfyui stop``: end ComfyUI."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.lifecycle import StopOne
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui.lifecycle.carrying_out import carry_out
from mcp_background_job.cli.session import caller


def stop(*, server: str = "", force: bool = False, as_json: AsJson = False) -> int:
    """Stop ComfyUI and every process that it started, whoever started ComfyUI on this machine.

    Args:
        server: Which one of several ComfyUIs, as status names them.
        force: Even if prompts are lost.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = StopOne(server=server, force=force)
    return carry_out(lambda life: life.stop_comfyui(caller(), asked), "stopping ComfyUI", as_json=as_json)
