"""``comfyui new-session``: begin a session."""

from __future__ import annotations

from typing import Annotated

from mcp_background_job.actions.comfyui.queue import Queueing, Session
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports.report import Report


def new_session(
    name: str | None = None,
    /,
    *,
    named: Annotated[str | None, named("--name")] = None,
    as_json: AsJson = False,
) -> int:
    """Begin a session; submissions from this directory are tracked in it from now on.

    Args:
        name: Its name; without one, that of the directory.
        named: The same, as an option.
        as_json: Print JSON, with the field names of the tools.
    """
    return with_comfyui(lambda comfyui: _new_session(comfyui, name or named or "", as_json=as_json))


async def _new_session(comfyui: ComfyUI, name: str, *, as_json: bool) -> int:
    known = await Queueing(at_hand(comfyui)).comfyui_session(caller(), Session(action="new", name=name))
    if as_json:
        terminal.as_json(known)
    else:
        show.sentence(_sentence(known), "started")
    return exit_codes.OK


def _sentence(report: Report) -> str:
    """Return what came of a session that was begun."""
    return f"session {report['name']} ({report['session_id']}) started: {report['detail']}"
