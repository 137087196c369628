"""Words about a Ray job: its id and place in Ray, why it waits, and Ray's report of its failure."""

from __future__ import annotations

from mcp_background_job.executors.ray import states
from mcp_background_job.executors.ray.native import Noted


def engine(submission_id: str, node: str, gpus: float) -> str:
    """Return Ray's id of a job, and where it runs."""
    where = f" on {node}" if node else ""
    what = f", {gpus:g} GPU{'' if gpus == 1 else 's'}" if gpus else ""
    return f"Ray {submission_id}{where}{what}" if submission_id else "Ray"


def note(word: str | None, reason: str, noted: Noted, *, is_withdrawn: bool) -> str:
    """Return why a job has not begun."""
    if is_withdrawn:
        return "it was withdrawn, and Ray has not confirmed that yet"
    if not noted.asked_at:
        return "it is submitted to Ray when its turn comes"
    if not noted.is_confirmed:
        return "Ray has not confirmed that it has the job; it is submitted again if it has not"
    if word == states.PENDING:
        _, _, told = reason.partition(": ")
        return f"waits in Ray: {told or 'it gives no reason'}"
    return "Ray has it"


def failure(why: str, submission_id: str, node: str, reason: str) -> str:
    """Return why a job ended whose runner has not reported it."""
    _, _, told = reason.partition(": ")
    return f"Ray job {submission_id}{f' on {node}' if node else ''}: {why}{f'; Ray says: {told}' if told else ''}"
