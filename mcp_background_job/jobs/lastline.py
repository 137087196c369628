"""The newest output of a live job: what it ends with, which may be a prompt."""

from __future__ import annotations

from mcp_background_job.executors.base import Store

#: Bytes of output that a prompt is looked for in.
_PROMPT_READ = 4096


def last_line(store: Store, job_id: str) -> str:
    """Return the line that a job's output ends with, if it is not finished; blocks, so call it in a thread."""
    return unfinished_line(store.read_log_tail(job_id, _PROMPT_READ).data)


def newest_since(store: Store, job_id: str, offset: int, limit: int) -> bytes:
    """Return what was written from an offset on, of more than the limit its end; likewise."""
    piece = store.read_log_tail(job_id, limit)
    return piece.data[max(0, offset - piece.start) :]


def unfinished_line(data: bytes) -> str:
    """Return the line that output ends with, as a terminal shows it, if it is not finished."""
    from mcp_background_job.core.output.rendering import render  # noqa: PLC0415  most jobs ask nothing

    if not data or data.endswith(b"\n"):
        return ""
    rows = render(data[data.rfind(b"\n") + 1 :], 0, [])
    return rows[-1].text.strip() if rows else ""
