"""The interface of an index of jobs, whatever stores it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mcp_background_job.core.job import Age, Job, JobChoice

if TYPE_CHECKING:
    from mcp_background_job.core.run import RunChoice, RunRow


class Counts(NamedTuple):
    """How many jobs or runs match a choice, and how many would match without its project."""

    meant: int
    everywhere: int


class Registry(Protocol):
    """An index of jobs. Implementations: ``SqliteRegistry``, shared by all processes, and ``MemoryRegistry``."""

    def put(self, jobs: Iterable[Job]) -> None:
        """Add jobs, or update their records; a job never goes back in its life."""
        ...

    def get(self, job_id: str) -> Job | None:
        """Return the job with this id."""
        ...

    def newest_named(self, name: str, project: str) -> Job | None:
        """Return the job that last got this name in a project."""
        ...

    def named(self, name: str) -> list[Job]:
        """For each project, return the job that last got this name there, in the order of the projects."""
        ...

    def page(self, choice: JobChoice, *, limit: int, offset: int) -> list[Job]:
        """Return jobs: first those that had not ended at the last look, then the others; newest first in each part."""
        ...

    def children(self, job_ids: Collection[str], *, limit: int) -> list[Job]:
        """Return jobs that were started within these jobs, oldest first."""
        ...

    def unended(self) -> list[Job]:
        """Return all jobs that had not ended at the last look, oldest first."""
        ...

    def ids(self, *, after: str = "", limit: int) -> list[str]:
        """Return ids of jobs in alphabetical order, beginning behind ``after``."""
        ...

    def count(self) -> int:
        """Return how many jobs there are."""
        ...

    def behind(self, age: Age, number: int) -> Age | None:
        """Return the age of the job that comes so many behind an age, newest first; ``None`` if fewer are older."""
        ...

    def counts(self, choice: JobChoice) -> Counts:
        """Return how many jobs match a choice."""
        ...

    def projects(self) -> dict[str, int]:
        """Return the projects that have jobs, with the number of their jobs."""
        ...

    def known_among(self, job_ids: Collection[str]) -> set[str]:
        """Return those of these ids that are in the index."""
        ...

    def ended_before(self, moment: float, *, limit: int, offset: int = 0) -> list[str]:
        """Return ids of jobs that ended before a moment (seconds since the epoch), in the order of their ends."""
        ...

    def without_origin(self, *, limit: int, name: str | None = None) -> list[str]:
        """Return ids of jobs (of this name) whose rows lack project, reader, parent and ``is_own``.

        Release 1.0.0 writes such rows. The jobs' specs have these values.
        """
        ...

    def fill_origins(self, jobs: Iterable[Job]) -> None:
        """Add project, reader, parent, time limit and ``is_own`` to the rows of these jobs."""
        ...

    def passed(self, what: str) -> int | None:
        """Return the time stamp that something had when a process last looked it through."""
        ...

    def note_pass(self, what: str, stamp: int) -> None:
        """Remember the time stamp of something that was looked through."""
        ...

    def forget(self, job_ids: Collection[str]) -> None:
        """Remove jobs."""
        ...

    def put_runs(self, runs: Iterable[RunRow]) -> None:
        """Add runs, or note how they ended; a recorded end stays."""
        ...

    def runs(self, choice: RunChoice, *, limit: int = -1, offset: int = 0) -> list[RunRow]:
        """Return runs, newest first; a limit of -1 is none."""
        ...

    def count_runs(self, choice: RunChoice) -> Counts:
        """Return how many runs match a choice; only runs that are known to be over have a status here."""
        ...

    def live_runs(self) -> list[RunRow]:
        """Return all runs that are not known to be over, newest first."""
        ...

    def run_ids(self) -> set[str]:
        """Return the ids of all runs."""
        ...

    def forget_runs(self, run_ids: Collection[str]) -> None:
        """Remove runs."""
        ...

    def close(self) -> None:
        """Close the index."""
        ...
