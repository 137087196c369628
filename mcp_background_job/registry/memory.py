"""An index in memory: for tests, and for a server that cannot use the database."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable

from mcp_background_job.core.job import Age, Job, JobChoice, age_of
from mcp_background_job.core.run import RunChoice, RunRow
from mcp_background_job.core.states import State, may_follow
from mcp_background_job.registry.base import Counts

#: The fields of a request never change.
_ORIGIN = ("project", "reader", "parent", "is_own", "timeout_s")
_ASKED = ("name", "command", "cwd", "client", "created_at", *_ORIGIN)


class MemoryRegistry:
    """An index of one process."""

    def __init__(self) -> None:
        """Begins empty."""
        self._jobs: dict[str, Job] = {}
        self._passed: dict[str, int] = {}
        self._runs: dict[str, RunRow] = {}

    def put(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            known = self._jobs.get(job.job_id)
            if known is None:
                self._jobs[job.job_id] = job
            elif may_follow(known.state, job.state):
                asked = {field: getattr(known, field) for field in _ASKED}
                self._jobs[job.job_id] = dataclasses.replace(job, **asked)

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def newest_named(self, name: str, project: str) -> Job | None:
        return next((job for job in self.named(name) if job.project == project), None)

    def named(self, name: str) -> list[Job]:
        newest_last = reversed([job for job in self._newest_first() if job.name == name])
        return [job for _, job in sorted({job.project: job for job in newest_last}.items())]

    def page(self, choice: JobChoice, *, limit: int, offset: int) -> list[Job]:
        found = sorted(self._chosen(choice), key=lambda job: job.state is State.EXITED)
        return found[offset : offset + limit]

    def children(self, job_ids: Collection[str], *, limit: int) -> list[Job]:
        return [job for job in reversed(self._newest_first()) if job.parent in set(job_ids)][:limit]

    def unended(self) -> list[Job]:
        return [job for job in reversed(self._newest_first()) if job.state is not State.EXITED]

    def ids(self, *, after: str = "", limit: int) -> list[str]:
        return sorted(job_id for job_id in self._jobs if job_id > after)[:limit]

    def count(self) -> int:
        return len(self._jobs)

    def behind(self, age: Age, number: int) -> Age | None:
        older = [age_of(job) for job in self._newest_first() if age_of(job) < age]
        return older[number - 1] if len(older) >= number else None

    def counts(self, choice: JobChoice) -> Counts:
        return Counts(len(self._chosen(choice)), len(self._chosen(dataclasses.replace(choice, project=None))))

    def _chosen(self, choice: JobChoice) -> list[Job]:
        return [job for job in self._newest_first() if choice.includes(job)]

    def projects(self) -> dict[str, int]:
        return dict(Counter(job.project for job in self._jobs.values() if job.project))

    def known_among(self, job_ids: Collection[str]) -> set[str]:
        return self._jobs.keys() & set(job_ids)

    def ended_before(self, moment: float, *, limit: int, offset: int = 0) -> list[str]:
        old = [job for job in self._jobs.values() if job.ended_at is not None and job.ended_at < moment]
        return [job.job_id for job in sorted(old, key=lambda job: (job.ended_at, job.job_id))][offset : offset + limit]

    def without_origin(self, *, limit: int, name: str | None = None) -> list[str]:  # noqa: ARG002  no other process writes here
        return []

    def fill_origins(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if known := self._jobs.get(job.job_id):
                origin = {field: getattr(job, field) for field in _ORIGIN}
                self._jobs[job.job_id] = dataclasses.replace(known, **origin)

    def passed(self, what: str) -> int | None:
        return self._passed.get(what)

    def note_pass(self, what: str, stamp: int) -> None:
        self._passed[what] = stamp

    def forget(self, job_ids: Collection[str]) -> None:
        for job_id in job_ids:
            self._jobs.pop(job_id, None)

    def put_runs(self, runs: Iterable[RunRow]) -> None:
        for run in runs:
            known = self._runs.get(run.run_id, run)
            self._runs[run.run_id] = dataclasses.replace(known, status=run.status or known.status)

    def runs(self, choice: RunChoice, *, limit: int = -1, offset: int = 0) -> list[RunRow]:
        return _newest(self._chosen_runs(choice))[offset : None if limit < 0 else offset + limit]

    def count_runs(self, choice: RunChoice) -> Counts:
        everywhere = self._chosen_runs(dataclasses.replace(choice, project=None))
        return Counts(len(self._chosen_runs(choice)), len(everywhere))

    def _chosen_runs(self, choice: RunChoice) -> list[RunRow]:
        wanted = {field: value for field, value in vars(choice).items() if value is not None}
        return [run for run in self._runs.values() if wanted.items() <= vars(run).items()]

    def live_runs(self) -> list[RunRow]:
        return _newest(run for run in self._runs.values() if run.status is None)

    def run_ids(self) -> set[str]:
        return set(self._runs)

    def forget_runs(self, run_ids: Collection[str]) -> None:
        for run_id in run_ids:
            self._runs.pop(run_id, None)

    def close(self) -> None:
        self._jobs.clear()

    def _newest_first(self) -> list[Job]:
        return sorted(self._jobs.values(), key=age_of, reverse=True)


def _newest(runs: Iterable[RunRow]) -> list[RunRow]:
    return sorted(runs, key=lambda run: (run.created_at, run.run_id), reverse=True)
