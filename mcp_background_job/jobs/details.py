"""Everything that is known of one job."""

from __future__ import annotations

from mcp_background_job.core.job import Job
from mcp_background_job.core.values import frozen
from mcp_background_job.executors.base import Store
from mcp_background_job.executors.usage import Usage
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec


@frozen
class Details:
    """All that is known of one job.

    Attributes:
        job: its record.
        spec: what was asked; ``None`` if it cannot be read.
        seen: what its directory says.
        usage: what its processes use, if it runs.
        output_bytes: bytes ever written.
        last_output_at: when the last byte was written (seconds since the epoch).
        log_path: its log.
        kept_from: offset of the oldest byte of it that is kept.
        note: a sentence on it beside its status.
        is_suspended: its command waits for SIGCONT.
    """

    job: Job
    spec: Spec | None
    seen: Observation
    usage: Usage | None
    output_bytes: int
    last_output_at: float | None
    log_path: str
    kept_from: int
    note: str | None = None
    is_suspended: bool = False


def details_of(store: Store, job: Job, seen: Observation, *, spec: Spec | None, usage: Usage | None) -> Details:
    """Gather what is known of a job that was just looked at. Call it in a thread."""
    first, end = store.log_extent(job.job_id)
    return Details(
        job=job,
        spec=spec,
        seen=seen,
        usage=usage,
        output_bytes=max(end, seen.exit.output_bytes if seen.exit else 0),
        last_output_at=store.last_output_at(job.job_id) if end else None,
        log_path=store.log_path(job.job_id),
        kept_from=first,
        note=seen.trouble,
    )
