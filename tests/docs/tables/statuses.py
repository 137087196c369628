"""The statuses of jobs, prompts, batches and runs side by side: what means the same stands in one row."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_background_job.comfyui.prompts.catalogue import STATUSES as OF_PROMPTS
from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.core.run import RunStatus
from mcp_background_job.core.states import STATUSES as OF_JOBS
from tests.docs.tables.marked import table

#: Of each column, its head and all that may stand in it.
_COLUMNS: dict[str, Iterable[str]] = {
    "job": OF_JOBS,
    "prompt (ComfyUI)": OF_PROMPTS,
    "batch (ComfyUI)": BatchStatus,
    "run (agent)": RunStatus,
}

#: What each row means, and what jobs, prompts, batches and runs are called there; a code stands in brackets.
_ROWS = {
    "it has not started yet": ("queued", "pending", "pending", "queued"),
    "it works": ("running", "in_progress", "running", "running"),
    "nothing more is sent until it is resumed": ("", "", "paused", ""),
    "the agent asks something; `continue_run` answers": ("", "", "", "input_required auth_required"),
    "it ended as it should: exit code 0, or with a result": ("completed", "completed", "succeeded", "completed"),
    "it ended otherwise, or could not be started": ("failed", "failed", "failed", "failed"),
    "somebody stopped it": ("killed", "cancelled", "canceling canceled", "cancelled"),
    "it reached its time limit": ("timed_out", "failed", "failed", "failed (time_limit)"),
    "nobody knows how it ended: its runner was killed, or the machine or ComfyUI restarted": (
        "lost",
        "lost_to_restart",
        "failed",
        "failed (lost)",
    ),
    "it was never sent, or the agent refused it": ("", "not_sent", "", "rejected"),
    "ComfyUI does not know it, and nobody here has noted what became of it": ("", "unknown", "", ""),
}


def statuses() -> str:
    """Return the table.

    Raises:
        ValueError: a status is in no row, or a row has one that there is not.
    """
    for number, (head, every) in enumerate(_COLUMNS.items()):
        told = {word for row in _ROWS.values() for word in row[number].split() if not word.startswith("(")}
        if wrong := told ^ {str(word) for word in every}:
            raise ValueError(f"the table of statuses, column {head}: {', '.join(sorted(wrong))} is missing or too much")
    rows = [(*(", ".join(map(_told, _words(cell))) for cell in row), meaning) for meaning, row in _ROWS.items()]
    return table([*_COLUMNS, "meaning"], rows)


def _words(cell: str) -> list[str]:
    """Return the statuses of a cell, each with the code behind it."""
    return cell.replace(" (", "(").split()


def _told(word: str) -> str:
    status, _, code = word.rstrip(")").partition("(")
    return f"`{status}`" + (f" (`{code}`)" if code else "")
