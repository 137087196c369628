"""``comfyui track``: add a prompt to a session by hand."""

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
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports.report import Report


def track(
    prompt_id: str,
    /,
    *,
    session: str | None = None,
    note: Annotated[str, named("--note", "-n")] = "",
    as_json: AsJson = False,
) -> int:
    """Add a prompt to a session, whoever submitted it.

    Args:
        prompt_id: Its id, as jobs and status list it.
        session: Name or id of the session; without it, the current one of this directory.
        note: What it is for; replaces the note that it had there.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = Session(action="track", name=session, prompt_id=prompt_id, note=note)
    return with_comfyui(lambda comfyui: _track(comfyui, asked, as_json=as_json))


async def _track(comfyui: ComfyUI, asked: Session, *, as_json: bool) -> int:
    known = await Queueing(at_hand(comfyui)).comfyui_session(caller(), asked)
    if as_json:
        terminal.as_json(known)
        return exit_codes.OK
    show.sentence(_sentence(known), known["status"])
    if known["status"] == "unknown":
        terminal.flush()
        terminal.say(typed(known["reason"]))
    return exit_codes.OK


def _sentence(report: Report) -> str:
    """Return what came of a prompt that was to be tracked."""
    return (
        f"prompt {report['prompt_id']} is tracked in session {report['session']} ({report['session_id']}); "
        f"its status is {report['status']}"
    )
