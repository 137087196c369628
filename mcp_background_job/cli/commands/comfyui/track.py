"""``comfyui track``: add a prompt to a session by hand."""

from __future__ import annotations

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import sentences, show
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.cli.comfyui.wording import typed
from mcp_background_job.cli.session import workplace
from mcp_background_job.comfyui import queue_report
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts import check_prompt_id


def track(prompt_id: str, /, *, session: str | None = None, note: str = "", as_json: AsJson = False) -> int:
    """Add a prompt to a session, whoever submitted it.

    Args:
        prompt_id: Its id, as jobs and status list it.
        session: Name or id of the session; without it, the current one of this directory.
        note: What it is for; replaces the note that it had there.
        as_json: Print JSON, with the field names of the tools.
    """
    return with_comfyui(lambda comfyui: _track(comfyui, prompt_id, session, note, as_json=as_json))


async def _track(comfyui: ComfyUI, prompt_id: str, reference: str | None, note: str, *, as_json: bool) -> int:
    prompt = await comfyui.prompts.get(check_prompt_id(prompt_id))
    session = await comfyui.sessions.find(reference, workplace())
    await comfyui.sessions.track(session, prompt_id, note)
    known = queue_report.of_tracked(session, prompt_id, prompt.status)
    if as_json:
        terminal.as_json(known)
        return exit_codes.OK
    show.sentence(sentences.of_tracked(known), known["status"])
    if prompt.status == "unknown":
        terminal.flush()
        terminal.say(typed(prompt.reason))
    return exit_codes.OK
