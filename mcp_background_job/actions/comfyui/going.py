"""The state of prompts and batches whose call is answered later, made from their reports."""

from __future__ import annotations

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.later import Going
from mcp_background_job.core.comfyui.batch import TERMINAL, Counts, spoken

#: Statuses of a prompt that has not ended.
_UNDER_WAY = ("pending", "in_progress")

#: The beginning of the reason if a prompt's status is unknown only because ComfyUI does not answer now.
_NO_ANSWER = "unreachable"


def of_prompt(known: Facts) -> Going | None:
    """Return how a prompt is going, from its report; ``None`` if it has ended."""
    status, reason = known["status"], str(known.get("reason", ""))
    if status not in _UNDER_WAY and not (status == "unknown" and reason.startswith(_NO_ANSWER)):
        return None
    position = known.get("position")
    place = "" if position is None else f"position {position} in the queue"
    return Going(doing=": ".join(filter(None, [status, known.get("progress") or reason or place])))


def of_batch(known: Facts) -> Going | None:
    """Return how a batch is going, from its report; ``None`` if it has ended."""
    if known["status"] in TERMINAL:
        return None
    over = Counts(**known["counts"]).in_words
    running = [row["progress"] for row in known.get("running_prompts", []) if "progress" in row]
    return Going(doing="; ".join(filter(None, [f"{spoken(known['status'])}: {over}", *running, known.get("trouble")])))
