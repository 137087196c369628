"""How a batch is reported."""

from __future__ import annotations

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.batches import sentences
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.wording import PROGRAM, typed
from mcp_background_job.comfyui.reports.report import Report

#: Said in the sentence, or below it in words of its own.
_TOLD = (
    *("batch_id", "status", "note", "total", "counts", "created_at", "ended_at", "running_prompts", "failures"),
    *("more_failures", "trouble", "dispatcher", "cancel_summary"),
)


def write(known: Report, *, as_json: bool) -> None:
    """Write what is known of a batch."""
    if as_json:
        terminal.as_json(known)
    else:
        tell(known)


def tell(known: Report) -> None:
    """Write what is known of a batch for people and pipes; what keeps it from getting on is a remark."""
    show.sentence(sentences.of_batch(known), known["status"])
    show.facts(known, _TOLD)
    for prompt in known.get("running_prompts", ()):
        progress = _after_colon(prompt.get("progress"))
        terminal.paragraph(escaped(f"in_progress {prompt['prompt_id']}{progress}"), indent="  ")
    for failure in known.get("failures", ()):
        note = f" “{failure['note']}”" if "note" in failure else ""
        said = f"failed {failure['prompt_id']}{note}: {typed(failure['cause'])}"
        terminal.paragraph(escaped(said), indent="  ")
    if "more_failures" in known:
        terminal.line(f"and {known['more_failures']} more failed")
    if "failures" in known and terminal.for_people():
        terminal.paragraph(f"see: {PROGRAM} comfyui errors --batch {known['batch_id']}")
    if "trouble" in known:
        terminal.flush()
        terminal.say(escaped(typed(known["trouble"])))


def _after_colon(text: str | None) -> str:
    return f": {text}" if text else ""
