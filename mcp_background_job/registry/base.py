"""What an index of jobs offers, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from mcp_background_job.core.job import Job


class Registry(Protocol):
    """An index of jobs. Implementations: ``SqliteRegistry``, shared by all processes, and ``MemoryRegistry``."""

    def put(self, jobs: Iterable[Job]) -> None:
        """Add jobs, or bring what is known of them up to date; a job never goes back in its life."""
        ...

    def get(self, job_id: str) -> Job | None:
        """Return the job with this id."""
        ...

    def newest_named(self, name: str) -> Job | None:
        """Return the job that got this name last."""
        ...

    def page(self, *, statuses: Collection[str], name: str | None, limit: int, offset: int) -> list[Job]:
        """Return jobs with one of these statuses (none given: any) and this name, newest first."""
        ...

    def unended(self) -> list[Job]:
        """Return all jobs that had not ended when they were last looked at, oldest first."""
        ...

    def ids(self) -> set[str]:
        """Return the ids of all jobs."""
        ...

    def ended_before(self, moment: float) -> list[str]:
        """Return the ids of the jobs that ended before a moment (seconds since the epoch)."""
        ...

    def unseen_endings(self, client: str) -> list[Job]:
        """Return this client's jobs that ended and whose end it has not been told, in the order of their ends."""
        ...

    def mark_seen(self, job_ids: Collection[str]) -> None:
        """Remember that the ends of these jobs were told."""
        ...

    def forget(self, job_ids: Collection[str]) -> None:
        """Remove jobs."""
        ...

    def close(self) -> None:
        """Let go of the index."""
        ...
