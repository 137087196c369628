"""``comfyui free``: have ComfyUI let go of memory."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.lifecycle import Free, Lifecycle
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI


def free(*, as_json: AsJson = False) -> int:
    """Unload models and free memory; if a prompt runs, when it has ended.

    Args:
        as_json: Print JSON, with the field names of the tools.
    """
    return with_comfyui(lambda comfyui: _free(comfyui, as_json=as_json))


async def _free(comfyui: ComfyUI, *, as_json: bool) -> int:
    known = await Lifecycle(at_hand(comfyui)).comfyui_free(caller(), Free())
    if as_json:
        terminal.as_json(known)
    else:
        show.sentence(known["detail"], "completed")
        show.facts(known, ("status", "detail"))
    return exit_codes.OK
