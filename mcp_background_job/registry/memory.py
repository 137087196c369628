"""An index in memory: the twin for tests, and what a server falls back on when the database cannot be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State, may_follow


class MemoryRegistry:
    """An index of one process."""

    def __init__(self) -> None:
        """Begins empty."""
        self._jobs: dict[str, Job] = {}
        self._seen: set[str] = set()

    def put(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            known = self._jobs.get(job.job_id)
            if known is None:
                self._jobs[job.job_id] = job
            elif may_follow(known.state, job.state):
                # What was asked never changes.
                asked = {field: getattr(known, field) for field in ("name", "command", "cwd", "client", "created_at")}
                self._jobs[job.job_id] = dataclasses.replace(job, **asked)

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def newest_named(self, name: str) -> Job | None:
        return next((job for job in self._newest_first() if job.name == name), None)

    def page(self, *, statuses: Collection[str], name: str | None, limit: int, offset: int) -> list[Job]:
        found = [
            job
            for job in self._newest_first()
            if (not statuses or job.status in statuses) and (name is None or job.name == name)
        ]
        return found[offset : offset + limit]

    def unended(self) -> list[Job]:
        return [job for job in reversed(self._newest_first()) if job.state is not State.EXITED]

    def ids(self) -> set[str]:
        return set(self._jobs)

    def ended_before(self, moment: float) -> list[str]:
        return [job.job_id for job in self._jobs.values() if job.ended_at is not None and job.ended_at < moment]

    def unseen_endings(self, client: str) -> list[Job]:
        ended = [
            job
            for job in self._jobs.values()
            if job.state is State.EXITED and job.client == client and job.job_id not in self._seen
        ]
        return sorted(ended, key=lambda job: (job.ended_at or 0.0, job.job_id))

    def mark_seen(self, job_ids: Collection[str]) -> None:
        self._seen.update(job_id for job_id in job_ids if job_id in self._jobs)

    def forget(self, job_ids: Collection[str]) -> None:
        for job_id in job_ids:
            self._jobs.pop(job_id, None)
            self._seen.discard(job_id)

    def close(self) -> None:
        self._jobs.clear()

    def _newest_first(self) -> list[Job]:
        return sorted(self._jobs.values(), key=lambda job: (job.created_at, job.job_id), reverse=True)
