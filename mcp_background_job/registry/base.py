"""What an index of jobs offers, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mcp_background_job.core.job import Job, JobChoice

if TYPE_CHECKING:
    from mcp_background_job.core.run import RunChoice, RunRow


class Counts(NamedTuple):
    """How many jobs or runs are meant, and how many would be if the project did not matter."""

    meant: int
    everywhere: int


class Registry(Protocol):
    """An index of jobs. Implementations: ``SqliteRegistry``, shared by all processes, and ``MemoryRegistry``."""

    def put(self, jobs: Iterable[Job]) -> None:
        """Add jobs, or bring what is known of them up to date; a job never goes back in its life."""
        ...

    def get(self, job_id: str) -> Job | None:
        """Return the job with this id."""
        ...

    def newest_named(self, name: str, project: str) -> Job | None:
        """Return the job that got this name last in a project."""
        ...

    def named(self, name: str) -> list[Job]:
        """Return the job that got this name last in each project, in the order of the projects."""
        ...

    def page(self, choice: JobChoice, *, limit: int, offset: int) -> list[Job]:
        """Return jobs: first those that had not ended when they were last looked at, then the others; newest first."""
        ...

    def children(self, job_ids: Collection[str], *, limit: int) -> list[Job]:
        """Return jobs that were started within these, oldest first."""
        ...

    def unended(self) -> list[Job]:
        """Return all jobs that had not ended when they were last looked at, oldest first."""
        ...

    def ids(self, *, after: str = "", limit: int) -> list[str]:
        """Return ids of jobs in the order of the alphabet, from behind one on."""
        ...

    def count(self) -> int:
        """Return how many jobs there are."""
        ...

    def counts(self, choice: JobChoice) -> Counts:
        """Return how many jobs are meant."""
        ...

    def projects(self) -> dict[str, int]:
        """Return the projects that have jobs, and how many each."""
        ...

    def known_among(self, job_ids: Collection[str]) -> set[str]:
        """Return those of these ids that are here."""
        ...

    def ended_before(self, moment: float, *, limit: int, offset: int = 0) -> list[str]:
        """Return ids of jobs that ended before a moment (seconds since the epoch), in the order of their ends."""
        ...

    def without_origin(self, *, limit: int, name: str | None = None) -> list[str]:
        """Return ids of jobs (of this name) of which only their specs tell project, reader, parent and ``is_own``.

        Release 1.0.0 writes such rows.
        """
        ...

    def fill_origins(self, jobs: Iterable[Job]) -> None:
        """Add project, reader, parent, time limit and whether it is our own to what is known of each of these jobs."""
        ...

    def passed(self, what: str) -> int | None:
        """Return the time stamp that something had when it was last looked through, by whomever."""
        ...

    def note_pass(self, what: str, stamp: int) -> None:
        """Remember that something with this time stamp was looked through."""
        ...

    def forget(self, job_ids: Collection[str]) -> None:
        """Remove jobs."""
        ...

    def put_runs(self, runs: Iterable[RunRow]) -> None:
        """Add runs, or note how they ended; an end stays."""
        ...

    def runs(self, choice: RunChoice, *, limit: int = -1, offset: int = 0) -> list[RunRow]:
        """Return runs, newest first; -1 is without limit."""
        ...

    def count_runs(self, choice: RunChoice) -> Counts:
        """Return how many runs are meant; a status is that of those which are known to be over."""
        ...

    def live_runs(self) -> list[RunRow]:
        """Return all runs that were not known to be over, newest first."""
        ...

    def run_ids(self) -> set[str]:
        """Return the ids of all runs."""
        ...

    def forget_runs(self, run_ids: Collection[str]) -> None:
        """Remove runs."""
        ...

    def close(self) -> None:
        """Let go of the index."""
        ...
