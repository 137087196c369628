"""Prompts and batches of which a call is answered later: how they are meanwhile, as their reports have it."""

from __future__ import annotations

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.later import Going
from mcp_background_job.core.comfyui.batch import TERMINAL

#: What a prompt is that will be something else.
_UNDER_WAY = ("pending", "in_progress")

#: How the reason of a prompt begins of which nothing is known only as long as ComfyUI gives no answer.
_NO_ANSWER = "unreachable"


def of_prompt(known: Facts) -> Going | None:
    """Return how a prompt is going, from what is told of it; ``None`` if it is not."""
    status, reason = known["status"], str(known.get("reason", ""))
    if status not in _UNDER_WAY and not (status == "unknown" and reason.startswith(_NO_ANSWER)):
        return None
    position = known.get("position")
    place = "" if position is None else f"position {position} in the queue"
    return Going(doing=": ".join(filter(None, [status, known.get("progress") or reason or place])))


def of_batch(known: Facts) -> Going | None:
    """Return the same of a batch."""
    if known["status"] in TERMINAL:
        return None
    counts = known["counts"]
    done = f"{known['total'] - counts['pending'] - counts['running']} of {known['total']} done"
    running = [row["progress"] for row in known.get("running_prompts", []) if "progress" in row]
    return Going(doing="; ".join(filter(None, [f"{known['status']}: {done}", *running, known.get("trouble")])))
