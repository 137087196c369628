"""What no index holds is looked for in pieces: the same is found as in one, and calls are served meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.job import Job, JobChoice
from mcp_background_job.core.states import STATUSES, Outcome, State
from mcp_background_job.jobs.indexing import finding
from mcp_background_job.registry.base import Counts, Registry
from mcp_background_job.registry.memory import MemoryRegistry

Result = TypeVar("Result")

JOB = Job(job_id="j0", command="run", cwd="/", created_at=0.0, state=State.QUEUED)

#: Few values of each, so that many are alike.
_LIVES = [*((state, None) for state in State if state is not State.EXITED), *((State.EXITED, end) for end in Outcome)]
_AGES = st.tuples(st.integers(0, 5).map(float), st.sampled_from(["", "j3", "j7~"]))


@st.composite
def jobs(draw: st.DrawFn) -> list[Job]:
    drawn: list[Job] = []
    for number in range(draw(st.integers(0, 12))):
        state, outcome = draw(st.sampled_from(_LIVES))
        drawn.append(
            dataclasses.replace(
                JOB,
                job_id=f"j{number}",
                command=draw(st.sampled_from(["train", "serve"])),
                created_at=float(draw(st.integers(0, 5))),
                state=state,
                outcome=outcome,
                project=draw(st.sampled_from(["", "/a"])),
            )
        )
    return drawn


choices = st.builds(
    JobChoice,
    statuses=st.lists(st.sampled_from(STATUSES), max_size=3, unique=True).map(tuple),
    project=st.sampled_from([None, "/a"]),
    text=st.sampled_from([None, "tr", "J1", "nothing"]),
    before=st.none() | _AGES,
    since=st.none() | _AGES,
)


class Pieces:
    """Runs what is asked of an index, and counts how often it was asked."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.asked = 0
        self.between: Callable[[], None] = lambda: None

    async def call(self, function: Callable[[Registry], Result]) -> Result:
        if self.asked:
            self.between()
        self.asked += 1
        return function(self.registry)

    def found(
        self, choice: JobChoice, *, limit: int = 100, offset: int = 0, is_counted: bool = True
    ) -> tuple[list[str], Counts]:
        found, counts = asyncio.run(
            finding.found(
                self.call,
                lambda _registry, look: look(),
                choice,
                limit=limit,
                offset=offset,
                is_counted=is_counted,
            )
        )
        return [job.job_id for job in found], counts


@given(jobs=jobs(), choice=choices, size=st.integers(1, 5), limit=st.integers(0, 6), offset=st.integers(0, 6))
def test_in_pieces_the_same_is_found_and_counted_as_in_one(
    jobs: list[Job], choice: JobChoice, size: int, limit: int, offset: int
) -> None:
    registry = MemoryRegistry()
    registry.put(jobs)
    page = [job.job_id for job in registry.page(choice, limit=limit, offset=offset)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "_PIECE", size)
        assert Pieces(registry).found(choice, limit=limit, offset=offset) == (page, registry.counts(choice))
        assert Pieces(registry).found(choice, limit=limit, offset=offset, is_counted=False)[0] == page


@pytest.fixture
def ten(monkeypatch: pytest.MonkeyPatch) -> Pieces:
    """Ten jobs that are over, of which two are looked through at once."""
    monkeypatch.setattr(finding, "_PIECE", 2)
    registry = MemoryRegistry()
    registry.put(
        dataclasses.replace(JOB, job_id=f"j{number}", created_at=number, state=State.EXITED, outcome=Outcome.COMPLETED)
        for number in range(10)
    )
    return Pieces(registry)


@pytest.mark.parametrize(
    ("choice", "asked"),
    [
        (JobChoice(text="run"), 2),  # the newest piece has them
        (JobChoice(before=(4.0, "j4")), 2),
        (JobChoice(text="j3"), 7),  # all five pieces are looked through for a second one, and that there are no more
        (JobChoice(text="run", statuses=("running", "queued")), 1),  # those are in memory
    ],
)
def test_what_is_not_counted_is_looked_for_no_longer_than_until_the_page_is_full(
    ten: Pieces, choice: JobChoice, asked: int
) -> None:
    found, _ = ten.found(choice, limit=2, is_counted=False)
    assert all(choice.includes(job) for job in map(ten.registry.get, found) if job)
    assert ten.asked == asked


def test_a_job_that_ends_between_two_pieces_is_found_once(ten: Pieces) -> None:
    live = dataclasses.replace(JOB, job_id="jlive", created_at=4.5, state=State.RUNNING)
    ten.registry.put([live])
    ten.between = lambda: ten.registry.put([dataclasses.replace(live, state=State.EXITED, outcome=Outcome.COMPLETED)])
    found, _ = ten.found(JobChoice(text="run"))
    assert sorted(found) == sorted(["jlive", *(f"j{number}" for number in range(10))])
