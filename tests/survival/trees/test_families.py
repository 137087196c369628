"""Families of jobs and runs, three deep, some queued: they end with their ancestor, and whoever looks is told so.

What is asked for within a job is asked for here, in the test's own process, on behalf of that job.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mcp_background_job.agents import report
from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.app import build_runs
from mcp_background_job.config import load_settings
from mcp_background_job.errors import LaunchError, TooManyDescendantsError
from mcp_background_job.jobdir import marks
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from tests.patience import until
from tests.survival.support import another_manager, ended, exit_of, kill_and_wait, runner_of, start

pytestmark = pytest.mark.real_process

#: Lives until it is ended.
LIVES = "exec sleep 3600"


@pytest.fixture
def one(state_dir: str) -> Generator[JobManager]:
    """A manager by which one job may run at once."""
    with another_manager(state_dir, max_jobs=1, max_runs=1) as manager:
        yield manager


@pytest.fixture
async def runs(one: JobManager) -> AsyncGenerator[RunManager]:
    """A manager of runs by which one may run at once."""
    runs = build_runs(one, load_settings(max_runs=1))
    yield runs
    await runs.close()


@dataclass
class Family:
    """Jobs and runs that were asked for within one another, the first of which has no parent."""

    manager: JobManager
    runs: RunManager
    cwd: Path
    ids: list[str] = field(default_factory=list[str])

    async def job(self, parent: str | None, **asked: object) -> str:
        """Start a job within another."""
        self._works_in(parent)
        job_id = (await start(self.manager, LIVES, **asked)).job_id
        self.ids.append(job_id)
        return job_id

    async def run(self, parent: str | None) -> str:
        """Start a run within a job; returns the id of the job that it is."""
        self._works_in(parent)
        command = {"command": ["sh", "-c", LIVES]}
        run = await self.runs.spawn(SpawnRequest(backend="command", cwd=str(self.cwd), prompt="x", config=command))
        self.ids.append(run.record.job_id)
        return run.record.job_id

    async def grow(self) -> None:
        """Start descendants of the first, three deep, of which two are queued."""
        (first,) = self.ids
        second = await self.run(first)
        third = await self.job(second)
        await self.job(third, after=(third,))
        await self.run(third)
        await self.job(second, after=(first,))

    def _works_in(self, parent: str | None) -> None:
        self.manager.own_job = parent
        self.manager._policy = dataclasses.replace(self.manager._policy, parent=parent)
        self.manager.__dict__.pop("_starter", None)

    def living(self) -> list[int]:
        """Return the pids of processes of the family, runners excepted, as their environments say."""
        marked = [f"MCP_BG_JOB_ID={job_id}\0".encode() for job_id in self.ids]
        found: list[int] = []
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                environ = Path(f"/proc/{pid}/environ").read_bytes()
                found += [int(pid)] if any(mark in environ for mark in marked) else []
        return found


@pytest.mark.requirement("family.parents")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=pytest.mark.nightly)])
async def test_a_family_ends_with_its_first_at_whatever_moment_that_is_ended(
    one: JobManager, runs: RunManager, tmp_path: Path, rounds: int
) -> None:
    chance, state = random.Random(rounds), one.state  # noqa: S311  no secret
    for number in range(rounds):
        family = Family(one, runs, tmp_path)
        first = await (family.run if number % 2 else family.job)(None)
        growing = asyncio.create_task(family.grow())
        await asyncio.wait([growing], timeout=chance.random() * 0.6)

        if number % 5 == 4:  # lost, which somebody finds out
            kill_and_wait(runner_of(state.path, first))
            await one.places.care(first)
        else:
            await one.kill(first, by="test", grace_s=chance.choice([0, 0.1, 5]))
        with contextlib.suppress(LaunchError):  # what ends with its ancestors at once
            await growing

        for job_id in family.ids:  # those too that came late
            await ended(one, job_id)
        assert marks.open_jobs(state) == []
        assert family.living() == []
        name = "run r" if number % 2 else f"job {first}"
        for job_id in family.ids[1:]:
            assert f"ended with {name}" in exit_of(state.path, job_id).reason, exit_of(state.path, job_id)


@pytest.mark.requirement("family.places")
async def test_descendants_run_in_the_place_of_the_first_and_the_answer_names_all_that_ended_with_it(
    one: JobManager, runs: RunManager, tmp_path: Path
) -> None:
    family = Family(one, runs, tmp_path)
    first = await family.run(None)
    child, grandchild = await family.run(first), await family.job(family.ids[-1], name="render")
    one._policy = dataclasses.replace(one._policy, max_jobs=9)  # there is room for jobs, and none for agents
    waiting = await family.run(None)
    inner = Reference((await one.find(child)).name)

    async def runs_by_now() -> bool:  # somebody else may serve the queue just now, and start it a moment later
        return (await runs.get(inner)).state.status == "running"

    await until(runs_by_now, "the run within the run")
    asked = [await runs.get(inner), await runs.get(Reference((await one.find(waiting)).name))]
    assert [run.state.status for run in asked] == ["running", "queued"]
    outer = asked[0].record.parent_run_id
    assert asked[1].waits_for == f"starts when fewer than 1 agents run (MCP_BG_MAX_RUNS); now run {outer}"
    shown = [report.of_run(run) for run in asked]
    assert [row["started_at"] is None for row in shown] == [False, True]
    assert [(row["prompt"], row["command"]) for row in shown] == [("x", ["sh", "-c", LIVES])] * 2
    queued = await family.job(grandchild, after=(grandchild,))

    answer = report.of_cancel(await runs.cancel(Reference(outer), by="test"))

    assert {row["job_id"]: row["status"] for row in answer["ended_with"]} == {
        child: "cancelled",
        grandchild: "killed",
        queued: "killed",
    }
    # The name of the job has the form of a run's id, and is none.
    assert {row["job_id"] for row in answer["ended_with"] if "run_id" in row} == {child}
    assert all(f"ended with run {outer}" in row["reason"] for row in answer["ended_with"])
    told = report.of_run(await runs.get(Reference(asked[0].record.run_id)))
    assert (told["status"], told["parent"], told["parent_run_id"]) == ("cancelled", first, outer)
    assert f"ended with run {outer}" in told["reason"]
    assert set(report.of_run(await runs.get(Reference(outer)))["ended_with"]) == {
        f"run {told['run_id']}",
        f"job {grandchild}",
        f"job {queued}",
    }
    await one.kill(waiting, by="test", grace_s=0)
    await ended(one, waiting)


@pytest.mark.requirement("family.places")
async def test_of_many_that_are_asked_for_at_once_no_more_come_about_than_may_live(
    one: JobManager, runs: RunManager, tmp_path: Path
) -> None:
    family = Family(one, runs, tmp_path)
    first = await family.job(None)
    family._works_in(first)
    asked = [one.start(StartRequest(command=LIVES), wait_for_report=False) for _ in range(20)]
    came = await asyncio.gather(*asked, return_exceptions=True)

    refused = [one for one in came if isinstance(one, TooManyDescendantsError)]
    assert 20 - len(refused) <= 8
    assert f"job {first} > this one" in str(refused[0])
    assert (await one.kill(first, by="test", grace_s=0)).status == "killed"
    assert marks.open_jobs(one.state) == []
