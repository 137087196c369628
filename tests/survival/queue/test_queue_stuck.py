"""A job stuck before it begins, and whoever was launching it, hold up nobody but itself; and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.marks import open_jobs
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.jobs.manager import JobManager
from tests.survival.support import PATIENCE_S, Server, another_manager, ended, kill_and_wait, runner_of, start

pytestmark = pytest.mark.real_process

#: A start is answered within milliseconds, and takes longer only on a busy machine; a launcher gives up after 10 s.
_AT_ONCE_S = 9.0


async def test_a_job_stuck_before_it_begins_holds_up_no_other(manager: JobManager, tmp_path: Path) -> None:
    fifo = tmp_path / "first-input"
    os.mkfifo(fifo)
    go = tmp_path / "go"
    os.mkfifo(go)
    first = await start(manager, f"read line < {go}")
    stuck = await start(manager, "cat", stdin="pipe", stdin_file=str(fifo), after=(first.job_id,))
    others = [await start(manager, f"echo {n}", after=(first.job_id,)) for n in range(3)]

    await asyncio.to_thread(go.write_text, "go\n")

    for job in others:
        assert (await ended(manager, job)).status == "completed"
    began = time.monotonic()
    behind = await start(manager, "true", after=(first.job_id,))
    at_once = await start(manager, "true")
    assert time.monotonic() - began < _AT_ONCE_S
    assert (await ended(manager, behind)).status == "completed"
    assert (await ended(manager, at_once)).status == "completed"
    assert stuck.job_id in manager.places.open_jobs()
    await asyncio.to_thread(fifo.write_text, "late\n")
    await manager.send_input(await manager.find(stuck.job_id), b"", eof=True)
    assert (await ended(manager, stuck)).status == "completed"


async def test_the_spawner_goes_on_beside_a_runner_that_is_stuck(manager: JobManager, tmp_path: Path) -> None:
    fifo = tmp_path / "first-input"
    os.mkfifo(fifo)
    stuck = asyncio.create_task(start(manager, "cat", stdin="pipe", stdin_file=str(fifo)))
    # It is recorded, and its launch asked for, before the call first waits; only then comes the next start.
    await asyncio.sleep(0)

    began = time.monotonic()
    for _ in range(3):
        assert (await ended(manager, await start(manager, "true"))).status == "completed"
    assert time.monotonic() - began < _AT_ONCE_S

    await asyncio.to_thread(fifo.write_text, "late\n")
    job = await stuck
    await manager.send_input(job, b"", eof=True)
    assert (await ended(manager, job)).status == "completed"


@pytest.mark.requirement("queue.limit")
async def test_jobs_of_our_own_take_no_place(state_dir: str) -> None:
    with another_manager(state_dir, max_jobs=3) as manager:
        own = [await start(manager, "read line", stdin="pipe", is_own=True) for _ in range(4)]
        users = [await start(manager, "read line", stdin="pipe") for _ in range(3)]
        last = await start(manager, "true")
        assert [(await manager.find(job.job_id)).status for job in own + users] == ["running"] * 7
        assert (await manager.find(last.job_id)).status == "queued"
        later = await start(manager, "read line", stdin="pipe", is_own=True)
        assert (await manager.find(later.job_id)).status == "running"
        again = (await manager.restart(own[0].job_id)).job
        assert (await manager.find(again.job_id)).status == "running"

        await manager.send_input(users[0], b"", eof=True)
        assert (await ended(manager, last)).status == "completed"
        for job in [again, later, *own[1:], *users[1:]]:
            await manager.send_input(job, b"", eof=True)
            await ended(manager, job)


#: Serves the queue of a state directory as often as it is asked to, launching nothing: to be killed with its claims.
_CLAIM_AND_HANG = """
import sys
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.queue import due
held = []
while True:
    held += due(StateDir(sys.argv[1]), boot_id())
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_nothing_is_lost_and_nothing_runs_twice_while_claimers_and_runners_are_killed(
    state_dir: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  of a test
    state, ran = StateDir(state_dir), tmp_path / "ran"
    with Server(MCP_BG_MAX_JOBS="2") as server:
        command = f"echo $MCP_BG_JOB_ID >> {ran}; read -t 0.05 line"
        jobs = [server.call("execute_command", command=command, wait_s=0)["job_id"] for _ in range(40)]
        server.kill_and_read()
    deadline = time.monotonic() + PATIENCE_S * 10
    while open_jobs(state):
        assert time.monotonic() < deadline, open_jobs(state)
        claimer = subprocess.Popen([sys.executable, "-c", _CLAIM_AND_HANG, state_dir])
        with another_manager(state_dir) as manager:
            select.select([], [], [], chance.uniform(0.0, 0.3))
            claimer.send_signal(signal.SIGKILL)
            claimer.wait(PATIENCE_S)
            _kill_a_runner(state, chance)
            asyncio.run(_recover(manager))

    assert max(Counter(ran.read_text().split()).values()) == 1
    ends = {job_id: records.read(Exit, state.job(job_id).exit) for job_id in jobs}
    assert None not in ends.values()
    outcomes = Counter(end.outcome for end in ends.values() if end)
    assert set(outcomes) <= {"failed", "completed", "lost"}, outcomes  # `read` fails when its time is over
    assert set(ran.read_text().split()) >= {job for job, end in ends.items() if end and end.outcome != "lost"}


def _kill_a_runner(state: StateDir, chance: random.Random) -> None:
    job_id = chance.choice([*open_jobs(state), ""])
    if job_id:
        try:
            kill_and_wait(runner_of(state.path, job_id))
        except (AssertionError, ProcessLookupError):
            return  # it has none


async def _recover(manager: JobManager) -> None:
    await manager.recover()
    await manager.places.finish()
