"""``comfyui cancel``: stop a render, and verify it."""

from __future__ import annotations

from typing import Annotated

from mcp_background_job.actions.comfyui.renders import Cancel, CancelQueued, Rendering
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.exit_codes import of_cancel
from mcp_background_job.cli.comfyui.prompts import sentences
from mcp_background_job.cli.comfyui.waits import CANCELLING, under_way
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.errors import InvalidRequestError

_TOLD = ("prompt_id", "status", "wedge", "took_s")


def cancel(
    prompt_id: str | None = None,
    /,
    *,
    clear_pending: Annotated[bool, named("--all", "--clear-pending")] = False,
    pending: bool = False,
    queued_only: bool = False,
    as_json: AsJson = False,
) -> int:
    """Stop a render: interrupt it, verify that it stopped, repeat for up to 50 s, and print the outcome.

    Args:
        prompt_id: The prompt to stop, and no other; without it, the one that runs.
        clear_pending: Drop all pending prompts too, and those that batches have yet to send.
        pending: Drop only those, and leave the running prompt alone.
        queued_only: Only take it out of the queue; if it runs already, leave it alone.
        as_json: Print JSON, with the field names of the tools.
    """
    if queued_only and (prompt_id is None or clear_pending or pending):
        raise InvalidRequestError("--queued-only takes one pending prompt out of the queue: give its id, and no more")
    asked = Cancel(prompt_id=prompt_id, clear_pending=clear_pending, pending_only=pending)
    return with_comfyui(lambda comfyui: _cancel(comfyui, asked, queued_only=queued_only, as_json=as_json))


async def _cancel(comfyui: ComfyUI, asked: Cancel, *, queued_only: bool, as_json: bool) -> int:
    rendering = Rendering(at_hand(comfyui))
    with under_way("cancelling" if queued_only or asked.pending_only else CANCELLING, as_json=as_json):
        if queued_only and asked.prompt_id is not None:
            known = await rendering.comfyui_cancel_queued_job(caller(), CancelQueued(prompt_id=asked.prompt_id))
        else:
            known = await rendering.comfyui_cancel_job(caller(), asked)
    if as_json:
        terminal.as_json(known)
    else:
        show.sentence(sentences.of_cancel(known), known["status"])
        show.facts(known, _TOLD)
    if asked.clear_pending and known["status"] == "nothing_running" and "not_dropped" not in known:
        return exit_codes.OK  # that the queue be empty is what was asked for
    code = of_cancel(known["status"])
    return exit_codes.UNMET if code == exit_codes.OK and "not_dropped" in known else code
