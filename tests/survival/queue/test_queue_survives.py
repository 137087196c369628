"""The queue is served whether or not a server lives."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mcp_background_job.core.job import JobChoice
from mcp_background_job.errors import UnknownJobError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.marks import open_jobs, queued_jobs
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.patience import PATIENCE_S, wait_until
from tests.survival.support import Server, another_manager, directory_of, ended, start

pytestmark = pytest.mark.real_process


@pytest.mark.requirement("queue.no_server")
@pytest.mark.parametrize("by", ["manager", "server"])
def test_three_jobs_for_one_slot_run_in_order_when_no_server_is_left(state_dir: str, tmp_path: Path, by: str) -> None:
    order = tmp_path / "order"
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    commands = [f"read line < {fifo}; echo 0 >> {order}"]
    commands += [f"echo {number} >> {order}; exit {number}" for number in (1, 2, 3)]
    if by == "server":
        with Server(MCP_BG_MAX_JOBS="1") as server:
            rows = [server.call("execute_command", command=command, wait_s=0) for command in commands]
            jobs = [row["job_id"] for row in rows]
            wait_until(lambda: os.path.exists(directory_of(state_dir, jobs[0]).status), "the first job")
            assert len(queued_jobs(StateDir(state_dir))) == 3
    else:
        with another_manager(state_dir, max_jobs=1) as manager:
            jobs = [asyncio.run(start(manager, command)).job_id for command in commands]
            assert len(queued_jobs(StateDir(state_dir))) == 3

    fifo.write_text("go\n")

    wait_until(lambda: all(os.path.exists(directory_of(state_dir, job).exit) for job in jobs), "the end of all")
    assert order.read_text().split() == ["0", "1", "2", "3"]
    with another_manager(state_dir) as later:
        assert [asyncio.run(ended(later, job)).exit_code for job in jobs] == [0, 1, 2, 3]
    assert open_jobs(StateDir(state_dir)) == []


@pytest.mark.requirement("queue.limit")
async def test_never_more_jobs_run_at_once_than_are_allowed_and_never_fewer(state_dir: str) -> None:
    with another_manager(state_dir, max_jobs=3) as one, another_manager(state_dir, max_jobs=3) as two:
        await asyncio.gather(*(start((one, two)[i % 2], "read line", stdin="pipe") for i in range(10)))
        for left in range(10, 0, -1):
            expected = min(3, left)
            running = await one.list(JobChoice(statuses=("running",)))
            async with asyncio.timeout(PATIENCE_S):
                while len(running) < expected:
                    running = await one.list(JobChoice(statuses=("running",)))
            assert len(running) == expected
            await two.send_input(running[-1], b"", eof=True)
            await ended(two, running[-1])
        assert await one.list(JobChoice(statuses=("running", "queued"))) == []


@pytest.mark.requirement("after.success")
async def test_a_job_after_others_starts_when_all_have_completed(manager: JobManager, tmp_path: Path) -> None:
    order = tmp_path / "order"
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    first = await start(manager, f"read line < {fifo}; echo first >> {order}", name="first")
    second = await start(manager, f"echo second >> {order}")
    third = await start(manager, f"echo third >> {order}", after=("first", second.job_id))
    await ended(manager, second)
    assert (await manager.find(third.job_id)).status == "queued"

    await asyncio.to_thread(fifo.write_text, "go\n")

    assert (await ended(manager, third)).status == "completed"
    assert order.read_text().split() == ["second", "first", "third"]
    assert (await manager.find(first.job_id)).status == "completed"


@pytest.mark.requirement("after.failure")
@pytest.mark.parametrize("end", ["failed", "killed", "chain"])
async def test_a_job_after_one_that_did_not_complete_fails_and_says_why(
    manager: JobManager, tmp_path: Path, end: str
) -> None:
    first = await start(manager, "read line; exit 1", stdin="pipe")
    second = await start(manager, f"touch {tmp_path}/ran", after=(first.job_id,))
    third = await start(manager, f"touch {tmp_path}/ran", after=(second.job_id,))

    if end == "killed":
        await manager.kill(first.job_id, by="test")
    else:
        await manager.send_input(first, b"", eof=True)

    outcome = "killed" if end == "killed" else "failed"
    now = await ended(manager, second)
    assert (now.status, now.exit_code, now.started_at) == ("failed", None, None)
    assert now.reason == f"not started: job {first.job_id}, which it was to run after, ended as {outcome}"
    now = await ended(manager, third)
    assert (now.status, now.started_at) == ("failed", None)
    assert second.job_id in now.reason
    assert not (tmp_path / "ran").exists()


@pytest.mark.requirement("after.failure")
async def test_a_job_after_one_that_does_not_exist_is_refused_and_nothing_is_written(
    manager: JobManager, state_dir: str
) -> None:
    with pytest.raises(UnknownJobError, match="there is no job 'jnope'"):
        await start(manager, "true", after=("jnope",))
    assert os.listdir(f"{state_dir}/jobs") == []


@pytest.mark.requirement("after.failure")
async def test_a_job_after_one_that_has_failed_already_is_told_at_once(manager: JobManager) -> None:
    first = await ended(manager, await start(manager, "exit 3"))
    behind = await start(manager, "true", after=(first.job_id,))
    assert (behind.status, behind.started_at) == ("failed", None)
    assert behind.reason.endswith("ended as failed")
    assert (await manager.list())[0].job_id == behind.job_id


@pytest.mark.requirement("queue.no_server")
async def test_a_long_job_started_from_the_queue_does_not_hold_up_the_others(
    state_dir: str, liveness: Liveness, tmp_path: Path
) -> None:
    with another_manager(state_dir, max_jobs=2) as manager:
        short = await start(manager, "read line", stdin="pipe")
        other = await start(manager, "read line", stdin="pipe")
        long = await start(manager, liveness.holder("long"))
        last = await start(manager, f"touch {tmp_path}/last")
        await manager.send_input(short, b"", eof=True)
        liveness.expect("long")  # started by the runner of the short one
        await manager.send_input(other, b"", eof=True)
        assert (await ended(manager, last)).status == "completed"
        assert (await manager.kill(long.job_id, by="test")).status == "killed"
