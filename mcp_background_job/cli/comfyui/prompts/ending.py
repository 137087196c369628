"""How a prompt is reported, and which exit code that gives."""

from __future__ import annotations

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.exit_codes import of_prompt
from mcp_background_job.cli.comfyui.prompts import sentences
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.reports.report import Report

#: Said in the sentence, or, as the place in the queue, already out of date.
_TOLD = (
    "prompt_id",
    "status",
    "reason",
    "note",
    "position",
    "progress",
    "progress_from",
    "interrupted_at_node",
    "number",
)
_WARNED = ("warning", "node_errors")


def sentence(known: Report) -> str:
    """Return how a prompt is doing, or how it ended."""
    return sentences.of_prompt(known)


def write(known: Report) -> None:
    """Write what is known of a prompt; that the server refused it is an error, and that only a part runs a warning."""
    warn(known)
    if known["status"] == "refused":
        return
    show.sentence(sentence(known), known["status"])
    show.facts(known, (*_TOLD, *_WARNED))


def warn(known: Report) -> None:
    """Write what the server found wrong with the nodes of a submission."""
    if known["status"] == "refused":
        terminal.say(typed(sentence(known)))
    elif "warning" in known:
        terminal.say(known["warning"])
    for error in known.get("node_errors", ()):
        terminal.say(error)


def exit_code(known: Report, *, is_awaited: bool) -> int:
    """Return the exit code; a prompt whose end was waited for and did not come is a time that ran out."""
    if is_awaited and known["status"] in ("pending", "in_progress"):
        return exit_codes.TIMED_OUT
    return of_prompt(known["status"], known.get("reason", ""))
