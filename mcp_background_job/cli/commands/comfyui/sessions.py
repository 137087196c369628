"""``comfyui sessions``: which sessions there are."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.queue import Queueing, Session
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Limit
from mcp_background_job.cli.comfyui import rows, tables
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI


def sessions(*, limit: Limit = 20, as_json: AsJson = False) -> int:
    """List sessions, newest first, and which is current in this directory.

    Args:
        limit: How many at most.
        as_json: Print JSON, with the field names of the tools.
    """
    return with_comfyui(lambda comfyui: _sessions(comfyui, limit, as_json=as_json))


async def _sessions(comfyui: ComfyUI, limit: int, *, as_json: bool) -> int:
    known = await Queueing(at_hand(comfyui)).comfyui_session(caller(), Session(action="list", limit=limit))
    if as_json:
        terminal.as_json(known)
    else:
        tables.write(rows.of_sessions(known))
        if not known["sessions"] and terminal.for_people():
            terminal.line("no sessions yet: the first submission begins one")
    return exit_codes.OK
