"""What reports about prompts have to show in rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_background_job.cli.comfyui.words import since
from mcp_background_job.cli.tables import AGE, NOTE, NOTHING, PROMPT, STATUS, Column, Rows
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.text import duration

#: Since a prompt was submitted, or submitted again, while it is under way; else since its end.
_SINCE = Column("SINCE", "dim", spare=3)

_QUEUE = (PROMPT, STATUS, AGE, NOTE, Column("PROGRESS", overflow="wrap"))
_JOBS = (
    PROMPT,
    STATUS,
    _SINCE,
    Column("TOOK", "dim", spare=2),
    Column("FILES", "dim", spare=4),
    NOTE,
    Column("DETAIL", overflow="cut"),
)
_ERRORS = (PROMPT, Column("SINCE", "dim"), Column("NODE"), Column("TYPE"), Column("MESSAGE", overflow="wrap"), NOTE)


def of_queue(report: Report) -> Rows:
    """Return what runs and what waits."""
    rows = [("in_progress", entry) for entry in report["running"]] + [("pending", entry) for entry in report["pending"]]
    return Rows(
        _QUEUE,
        [
            (entry["prompt_id"], status, entry.get("age", ""), entry.get("note", ""), _progress(entry))
            for status, entry in rows
        ],
    )


def of_jobs(report: Report) -> Rows:
    """Return prompts in a list."""
    return Rows(_JOBS, [_job(entry) for entry in report["jobs"]])


def _job(entry: Report) -> tuple[str, ...]:
    took = entry.get("duration_s")
    return (
        entry["prompt_id"],
        entry["status"],
        entry.get("age") or _since(entry.get("ended_at")),
        NOTHING if took is None else duration(took),
        str(entry.get("outputs", "")),
        entry.get("note", ""),
        typed(entry.get("cause") or entry.get("reason") or _progress(entry) or _place(entry)),
    )


def _progress(entry: Report) -> str:
    return entry.get("progress", "") + (" (log)" if entry.get("progress_from") == "log" else "")


def _place(entry: Report) -> str:
    if "position" in entry:
        return f"{entry['position']} before it" if entry["position"] else "the next"
    # What its batch has yet to send has no place in the queue.
    return f"in batch {entry['batch_id']}" if entry["status"] == "pending" and "batch_id" in entry else ""


def of_errors(errors: Iterable[Report]) -> Rows:
    """Return failures in a list, without their tracebacks."""
    return Rows(_ERRORS, [_error(entry) for entry in errors])


def _error(entry: Report) -> tuple[str, ...]:
    return (
        entry["prompt_id"],
        _since(entry.get("ended_at")),
        entry.get("node", ""),
        entry.get("type", ""),
        typed(entry["message"]),
        entry.get("note", ""),
    )


def _since(moment: str | None) -> str:
    return duration(since(moment)) if moment else ""
