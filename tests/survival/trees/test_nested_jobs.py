"""Jobs whose runners are below another job: whoever launched them, they live and end as their own specs say."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.core.job import JobChoice
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.patience import wait_until
from tests.survival.support import (
    another_manager,
    directory_of,
    ended,
    exit_of,
    kill_and_wait,
    runner_of,
    start,
)
from tests.survival.trees.nested import chatter, inside, start_stranger_inside

pytestmark = pytest.mark.real_process


@pytest.fixture
def two(state_dir: str) -> Generator[JobManager]:
    """A manager by which two jobs may run at once."""
    with another_manager(state_dir, max_jobs=2) as manager:
        yield manager


async def _assert_untouched(manager: JobManager, liveness: Liveness, job_id: str, runner: int) -> None:
    liveness.assert_alive("stranger")
    assert (await manager.find(job_id)).status == "running"
    state_dir = manager.state.path
    assert runner_of(state_dir, job_id) == runner
    os.kill(runner, 0)
    await manager.kill(job_id, by="test", signal="KILL")
    assert exit_of(state_dir, job_id).reason == "kill requested (SIGKILL, asked by test)"


@pytest.mark.requirement("family.strangers")
@pytest.mark.parametrize("kind", ["TERM", "KILL"])
async def test_killing_a_job_leaves_a_strangers_job_below_it_alone(
    two: JobManager, liveness: Liveness, tmp_path: Path, kind: str
) -> None:
    nested = await start_stranger_inside(two, liveness, tmp_path)

    assert (await two.kill(nested.outer.job_id, by="test", signal=kind)).status == "killed"

    liveness.assert_dead("outer")
    await _assert_untouched(two, liveness, nested.stranger.job_id, nested.runner)


@pytest.mark.requirement("family.strangers")
@pytest.mark.parametrize("leftovers", ["kill", "keep"])
async def test_a_job_that_completes_ends_at_once_and_leaves_a_strangers_job_below_it_alone(
    two: JobManager, liveness: Liveness, tmp_path: Path, leftovers: str
) -> None:
    nested = await start_stranger_inside(two, liveness, tmp_path, leftovers=leftovers)

    (tmp_path / "silent").touch()
    (tmp_path / "end").write_text("")

    assert (await ended(two, nested.outer)).status == "completed"
    await _assert_untouched(two, liveness, nested.stranger.job_id, nested.runner)


@pytest.mark.requirement("family.strangers")
async def test_a_job_that_runs_into_its_time_limit_leaves_a_strangers_job_below_it_alone(
    two: JobManager, liveness: Liveness, tmp_path: Path
) -> None:
    nested = await start_stranger_inside(two, liveness, tmp_path, idle_timeout_s=5)

    (tmp_path / "silent").touch()
    assert (await ended(two, nested.outer)).status == "timed_out"

    await _assert_untouched(two, liveness, nested.stranger.job_id, nested.runner)


@pytest.mark.requirement("family.strangers")
@pytest.mark.parametrize("fate", ["killed", "deaf"])
async def test_what_is_swept_up_after_a_runner_is_not_a_strangers_job(
    two: JobManager, liveness: Liveness, tmp_path: Path, fate: str
) -> None:
    nested = await start_stranger_inside(two, liveness, tmp_path)
    outer = runner_of(two.state.path, nested.outer.job_id)

    if fate == "killed":
        kill_and_wait(outer)
    else:
        os.kill(outer, signal.SIGSTOP)
    await two.kill(nested.outer.job_id, by="test", grace_s=0.2)

    liveness.wait_dead("outer")
    assert (await two.find(nested.outer.job_id)).status == ("lost" if fate == "killed" else "killed")
    await _assert_untouched(two, liveness, nested.stranger.job_id, nested.runner)


@pytest.mark.requirement("family.parents")
async def test_a_job_that_was_started_within_another_outlives_that_ones_own_end(
    manager: JobManager, liveness: Liveness, state_dir: str
) -> None:
    outer = await start(manager, inside(liveness.holder("inner")))
    liveness.expect("inner")

    assert (await ended(manager, outer)).status == "completed"

    liveness.assert_alive("inner")
    (inner,) = await manager.list(JobChoice(statuses=("running",)))
    spec = records.read(Spec, directory_of(state_dir, inner.job_id).spec)
    assert spec is not None
    assert spec.parent == outer.job_id
    await manager.kill(inner.job_id, by="test", signal="KILL")


@pytest.mark.requirement("family.parents")
@pytest.mark.parametrize("how", ["kill", "limit", "leftovers", "deaf"])
async def test_a_job_that_was_started_within_another_ends_when_that_is_ended(
    manager: JobManager, liveness: Liveness, state_dir: str, tmp_path: Path, how: str
) -> None:
    end = tmp_path / "end"
    os.mkfifo(end)
    innermost = inside(liveness.script("innermost", "connect('innermost')\nignore()\nhang()\n"))
    inner = f"{innermost}; exec {liveness.holder('inner')}"
    outer = await start(
        manager,
        f"{chatter(tmp_path / 'silent')}{inside(inner)}; read line < {end}",
        leftovers="kill" if how == "leftovers" else "keep",
        idle_timeout_s=5 if how == "limit" else None,
    )
    liveness.expect("inner", "innermost")
    (tmp_path / "silent").touch()
    jobs = {job.job_id for job in await manager.list(JobChoice(statuses=("running",)))} - {outer.job_id}
    assert len(jobs) == 2

    if how == "deaf":
        os.kill(runner_of(state_dir, outer.job_id), signal.SIGSTOP)
    if how in ("kill", "deaf"):
        await manager.kill(outer.job_id, by="test", grace_s=0.1)
    elif how == "leftovers":
        end.write_text("\n")
    await ended(manager, outer)

    for job_id in jobs:
        assert (await ended(manager, job_id)).status == "killed"
        assert exit_of(state_dir, job_id).reason.startswith("ended with job j")
    liveness.assert_dead("inner", "innermost")


@pytest.mark.requirement("family.parents")
async def test_a_job_that_is_killed_is_over_when_those_within_it_are(manager: JobManager, liveness: Liveness) -> None:
    command = inside(liveness.script("inner", "connect('inner')\nignore()\nhang()\n"))
    outer = await start(manager, f"{command}; exec {liveness.holder('outer')}")
    liveness.expect("outer", "inner")

    await manager.kill(outer.job_id, by="test", grace_s=0.3)

    liveness.assert_dead("outer", "inner")


@pytest.mark.requirement("family.parents")
async def test_a_job_that_was_started_within_another_is_found_wherever_its_runner_is(
    two: JobManager, liveness: Liveness, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    first = await start(two, f"read line < {go}")
    queued = inside(liveness.holder("inner"), after=first.job_id)
    outer = await start(two, f"{queued}; exec {liveness.holder('outer')}")
    liveness.expect("outer")
    go.write_text("\n")  # the runner of the first, which is nobody's child, launches the queued one
    liveness.expect("inner")

    await two.kill(outer.job_id, by="test")

    liveness.wait_dead("inner", "outer")
    assert sorted(job.status for job in await two.list()) == ["completed", "killed", "killed"]


@pytest.mark.requirement("family.strangers")
async def test_a_job_whose_runner_was_killed_before_it_owned_it_is_started_all_the_same(
    manager: JobManager, liveness: Liveness, state_dir: str, tmp_path: Path
) -> None:
    # An inner command line that is ended between recording a job and launching its runner leaves one that nobody owns.
    recorded = await start(manager, f"touch {tmp_path}/ran", after=(), pools={"none": 1})
    await ended(manager, recorded)
    spec = records.read(Spec, directory_of(state_dir, recorded.job_id).spec)
    assert spec is not None
    outer = await start(manager, liveness.holder("outer"))
    liveness.expect("outer")
    (tmp_path / "ran").unlink()
    orphan = directory_of(state_dir, "jorphan")
    os.mkdir(orphan.path)
    records.write(orphan.spec, records.encode(spec).replace(spec.job_id.encode(), b"jorphan"))
    records.touch(orphan.state_dir.open_mark("jorphan"))

    await manager.kill(outer.job_id, by="test", signal="KILL")

    await asyncio.to_thread(wait_until, (tmp_path / "ran").exists, "the job that nobody owned")


@pytest.mark.requirement("family.strangers")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.nightly)])
async def test_strangers_survive_any_order_of_kills_and_ends(
    two: JobManager, liveness: Liveness, tmp_path: Path, rounds: int
) -> None:
    chance = random.Random(rounds)  # noqa: S311  no secret
    for number in range(rounds):
        path = tmp_path / str(number)
        path.mkdir()
        nested = await start_stranger_inside(two, liveness, path, leftovers=chance.choice(["kill", "keep"]))
        match chance.choice(["kill", "term", "end", "runner"]):
            case "kill" | "term" as kind:
                await two.kill(nested.outer.job_id, by="test", signal=kind.upper(), grace_s=chance.random() / 10)
            case "end":
                (path / "silent").touch()
                (path / "end").write_text("")
            case _:
                kill_and_wait(runner_of(two.state.path, nested.outer.job_id))
                await two.kill(nested.outer.job_id, by="test")
        await ended(two, nested.outer)
        await _assert_untouched(two, liveness, nested.stranger.job_id, nested.runner)
        liveness.end_all()
