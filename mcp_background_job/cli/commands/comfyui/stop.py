"""``comfyui stop``: end ComfyUI."""

from __future__ import annotations

from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui.lifecycle import carry_out
from mcp_background_job.cli.session import CLIENT


def stop(*, force: bool = False, as_json: AsJson = False) -> int:
    """End ComfyUI and every process that it started, whoever started it on this machine.

    Args:
        force: Even if prompts are lost.
        as_json: Print JSON, with the field names of the tools.
    """
    return carry_out(
        lambda comfyui: comfyui.lifecycle.stop(client=CLIENT, force=force), "stopping ComfyUI", as_json=as_json
    )
