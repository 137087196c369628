"""``comfyui errors``: why prompts failed."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.queue import ListErrors, Queueing
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import terminal
from mcp_background_job.cli.arguments import AsJson, Limit
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.prompts import failures, listing
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI


def errors(*, session: str | None = None, batch: str | None = None, limit: Limit = 5, as_json: AsJson = False) -> int:
    """Show why prompts failed, the last one first: exception, node, traceback, missing models and nodes.

    Into a pipe, it prints one line for each, without the traceback.

    Args:
        session: Only those of this session, by name or id; without a value, of the current one.
        batch: Only those of this batch.
        limit: Show at most this many.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = ListErrors(session=session, batch=batch, limit=limit)
    return with_comfyui(lambda comfyui: _errors(comfyui, asked, as_json=as_json))


async def _errors(comfyui: ComfyUI, asked: ListErrors, *, as_json: bool) -> int:
    known = await Queueing(at_hand(comfyui)).comfyui_errors(caller(), asked)
    if as_json:
        terminal.as_json(known)
    else:
        failures.write(known)
    return listing.exit_code(known)
