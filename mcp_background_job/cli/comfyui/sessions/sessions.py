"""``comfyui sessions``: which sessions there are."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.queue import Queueing, Session
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, tables, terminal
from mcp_background_job.cli.arguments import AllProjects, AsJson, Limit
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.words import since
from mcp_background_job.cli.session import caller
from mcp_background_job.cli.tables import Column, Rows
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.text import counted, duration

_COLUMNS = (
    Column("SESSION", "bold"),
    Column("AGE", "dim", spare=1),
    Column("PROMPTS"),
    Column("DOWNLOADED", spare=2),
    Column("CURRENT"),
    Column("NAME", overflow="wrap"),
)


def sessions(
    *,
    all_projects: AllProjects = False,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> int:
    """List the sessions of this project, newest first, and which is current in this directory.

    Args:
        all_projects: Show those of other projects too.
        limit: Show at most this many.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = Session(action="list", limit=limit, all_projects=all_projects)
    return with_comfyui(lambda comfyui: _sessions(comfyui, asked, as_json=as_json))


async def _sessions(comfyui: ComfyUI, asked: Session, *, as_json: bool) -> int:
    known = await Queueing(at_hand(comfyui)).comfyui_session(caller(), asked)
    if as_json:
        terminal.as_json(known)
    else:
        tables.write(Rows(_COLUMNS, list(map(_row, known["sessions"]))))
        if not known["sessions"] and terminal.for_people():
            terminal.line("no sessions here yet: the first submission begins one")
        if "elsewhere" in known:
            terminal.flush()
            terminal.say(f"{counted(known['elsewhere'], 'session')} of other projects (--all-projects shows them)")
    return exit_codes.OK


def _row(entry: Report) -> tuple[str, ...]:
    is_current = "here" if entry.get("current") else ""
    name = f"{entry['name']} ({entry['directory']})" if "directory" in entry else entry["name"]
    counts = str(entry["prompts"]), str(entry["downloaded"])
    return entry["session_id"], duration(since(entry["created_at"])), *counts, is_current, name
