"""The index counts jobs as they change, whatever release writes them: no list of many jobs reads more than it shows."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_background_job.core.job import ANY, Job, JobChoice
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.registry.base import Counts
from mcp_background_job.registry.sqlite import SqliteRegistry
from tests.registry.test_sqlite import AS_RELEASE_1, as_release_1, opened

LIVE = Job(job_id="jlive", command="serve", cwd="/src", created_at=1.0, state=State.RUNNING, name="web", project="/src")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.sqlite3")


def counted(connection: sqlite3.Connection) -> list[tuple[str | bytes, str, str, int]]:
    return list(connection.execute("SELECT project, status, cwd, number FROM counts"))


def found(connection: sqlite3.Connection) -> list[tuple[str | bytes, str, str, int]]:
    query = "SELECT coalesce(project, x''), status, cwd, count(*) FROM jobs GROUP BY 1, 2, 3"
    return list(connection.execute(query))


def test_counts_follow_jobs_of_both_releases_through_their_lives(path: str) -> None:
    with contextlib.closing(as_release_1(path)) as theirs:
        theirs.execute(AS_RELEASE_1)
        with opened(path) as registry:
            old = registry.get("jold")
            assert old
            ended = AS_RELEASE_1.replace("'running', NULL, 'running'", "'exited', 'completed', 'completed'")
            steps: list[tuple[Callable[[], object], Counts]] = [
                (lambda: None, Counts(0, 1)),
                (lambda: registry.put([LIVE, LIVE]), Counts(0, 2)),
                (lambda: theirs.execute(ended), Counts(0, 2)),
                (lambda: registry.fill_origins([dataclasses.replace(old, project="")]), Counts(1, 2)),
                (lambda: registry.put([dataclasses.replace(LIVE, state=State.EXITED)]), Counts(1, 2)),
                (lambda: registry.forget(["jlive", "jnever"]), Counts(1, 1)),
                (lambda: theirs.execute("DELETE FROM jobs"), Counts(0, 0)),
            ]
            for step, counts in steps:
                step()
                assert registry.counts(JobChoice(project="")) == counts
                assert counted(theirs) == found(theirs)


def test_what_is_of_no_known_project_yet_is_of_none(path: str) -> None:
    with opened(path) as registry, contextlib.closing(as_release_1(path)) as theirs:
        theirs.execute(AS_RELEASE_1)
        registry.put([LIVE])
        assert registry.projects() == {"/src": 1}


#: Lists that clients ask for: of some jobs, of few, of none.
CHOICES = [
    ANY,
    JobChoice(project="/src"),
    JobChoice(project="/elsewhere"),
    JobChoice(statuses=("running", "queued")),
    JobChoice(statuses=("failed",), project="/src"),
    JobChoice(statuses=("timed_out",)),
    JobChoice(name="web"),
    JobChoice(name="web", statuses=("lost",), project="/src"),
    JobChoice(cwd="/src"),
    JobChoice(cwd="/nowhere", statuses=("failed",)),
]


def steps_of(registry: SqliteRegistry, choice: JobChoice) -> int:
    """Return how many thousands of steps SQLite takes for the first page of a list and its counts."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection = registry._database._db
    connection.set_progress_handler(step, 1000)
    try:
        registry.page(choice, limit=20, offset=0)
        registry.counts(choice)
    finally:
        connection.set_progress_handler(None, 0)
    return taken


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_list_costs_the_same_among_very_many_jobs(path: str, choice: JobChoice) -> None:
    outcomes = [Outcome.COMPLETED, Outcome.FAILED]
    with opened(path) as registry:
        registry.put([LIVE])
        registry.put(
            dataclasses.replace(
                LIVE,
                job_id=f"j{number:04}",
                name=None,
                state=State.EXITED,
                outcome=outcomes[number % 2],
                created_at=2.0 + number,
            )
            for number in range(5000)
        )
        assert steps_of(registry, choice) <= 5
        # What no index holds is looked for among some of them.
        assert steps_of(registry, dataclasses.replace(choice, before=(2100.0, ""), since=(2000.0, ""))) <= 10
