"""``comfyui clear-history``: remove old entries of the history."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.queue import ClearHistory, Queueing
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Count
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.waits import under_way
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.text import counted


def clear_history(*, keep: Count = 50, as_json: AsJson = False) -> int:
    """Remove old entries from ComfyUI's history; prompts that were submitted here stay known, and files stay.

    Args:
        keep: Keep this many of the newest entries.
        as_json: Print JSON, with the field names of the tools.
    """
    return with_comfyui(lambda comfyui: _clear_history(comfyui, keep, as_json=as_json))


async def _clear_history(comfyui: ComfyUI, keep: int, *, as_json: bool) -> int:
    with under_way("clearing the history", as_json=as_json):
        known = await Queueing(at_hand(comfyui)).comfyui_clear_history(caller(), ClearHistory(keep=keep))
    if as_json:
        terminal.as_json(known)
    else:
        show.sentence(_sentence(known), "completed")
    return exit_codes.OK


def _sentence(report: Report) -> str:
    """Return what came of a history that was to be cleared."""
    if not report["removed"]:
        return f"nothing was removed: the history has {counted(report['kept'], 'entry', 'entries')}"
    return (
        f"{counted(report['removed'], 'entry', 'entries')} removed from the history, {report['kept']} kept; "
        f"{report['detail']}"
    )
