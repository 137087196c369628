"""``comfyui jobs``: prompts in one list."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.queue import ListPrompts, Queueing
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import terminal
from mcp_background_job.cli.arguments import AsJson, Limit, separated
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.prompts import listing
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI


def jobs(
    *,
    status: list[str] | None = None,
    session: str | None = None,
    batch: str | None = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> int:
    """List prompts, those of earlier days too: what runs, what waits, then what ended, newest first.

    SINCE is the time since a prompt was submitted, or submitted again after a restart; once it is over, since its end.

    Args:
        status: Only pending, in_progress, completed, failed, cancelled, lost_to_restart, not_sent or unknown ones; may
            be repeated, or hold several with commas between.
        session: Only those of this session, by name or id; without a value, of the current one.
        batch: Only those of this batch.
        limit: Show at most this many.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = ListPrompts(status=",".join(separated(status)), session=session, batch=batch, limit=limit)
    return with_comfyui(lambda comfyui: _jobs(comfyui, asked, as_json=as_json))


async def _jobs(comfyui: ComfyUI, asked: ListPrompts, *, as_json: bool) -> int:
    known = await Queueing(at_hand(comfyui)).comfyui_jobs(caller(), asked)
    if as_json:
        terminal.as_json(known)
    else:
        listing.write(known)
    return listing.exit_code(known)
