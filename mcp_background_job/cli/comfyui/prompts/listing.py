"""Writes prompts in a list, and what is not known because ComfyUI gives no answer."""

from __future__ import annotations

from mcp_background_job.cli import exit_codes, tables, terminal
from mcp_background_job.cli.comfyui.prompts import rows
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.reports.report import Report


def write(known: Report) -> None:
    """Write prompts: also of a ComfyUI without an answer, what the journal has of them."""
    tables.write(rows.of_jobs(known))
    if not known["jobs"] and is_known(known) and terminal.for_people():
        terminal.line("no prompts")
    terminal.flush()
    if "more" in known:
        terminal.say("there are more: raise --limit")
    warn(known)


def warn(known: Report) -> None:
    """Say what ComfyUI does not tell, if it does not, and why."""
    if not is_known(known):
        terminal.say(escaped(typed(f"unreachable ({known['why']}): {known['detail']}")))
    elif "detail" in known:
        terminal.say(escaped(typed(str(known["detail"]))))


def exit_code(known: Report) -> int:
    """Return the exit code for a list: an unknown queue is not an empty one."""
    return exit_codes.OK if is_known(known) else exit_codes.UNREACHABLE


def is_known(known: Report) -> bool:
    """Tell whether ComfyUI has said what of the list is queued."""
    return bool(known.get("reachable", True))
