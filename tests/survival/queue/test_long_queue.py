"""A queue of any length runs to its end when nobody looks, and a runner at its end is as small as one at its start."""

from __future__ import annotations

import asyncio
import os
import select
from pathlib import Path
from statistics import median

import pytest

from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.marks import open_jobs
from tests.survival.support import PATIENCE_S, another_manager, exit_of, start

pytestmark = pytest.mark.real_process

#: More than what Python's limit of recursion allows at ten frames for each.
_MANY = 120
_VERY_MANY = 1000


#: Memory settles within a few generations; what each of them left behind would double it.
_ROOM_TO_GROW = 1.05

#: Time after which a condition that nobody announces is looked at again.
_LOOK_AGAIN_S = 0.05

_MANY_OF_THEM = [_MANY, pytest.param(_VERY_MANY, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)])]


@pytest.mark.timeout(300)
@pytest.mark.requirement("queue.no_server")
@pytest.mark.parametrize("count", _MANY_OF_THEM)
@pytest.mark.parametrize("kind", ["one at a time", "chain"])
def test_all_of_a_long_queue_run_when_nobody_looks(state_dir: str, tmp_path: Path, count: int, kind: str) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    sizes = tmp_path / "sizes"
    # A job's parent is its runner: how much memory has it to itself, and how many open files?
    command = f"echo $(grep RssAnon /proc/$PPID/status) $(ls /proc/$PPID/fd | wc -l) >> {sizes}"

    async def queue_up() -> list[str]:
        with another_manager(state_dir, max_jobs=1 if kind == "one at a time" else 10) as manager:
            job = await start(manager, f"read line < {fifo}")
            jobs = [job]
            for _ in range(count):
                after = (jobs[-1].job_id,) if kind == "chain" else ()
                jobs.append(await start(manager, command, after=after))
            return [job.job_id for job in jobs]

    job_ids = asyncio.run(queue_up())
    fifo.write_text("go\n")

    _await_end_of_all(state_dir, count)
    assert {exit_of(state_dir, job_id).outcome for job_id in job_ids} == {"completed"}
    runners = [line.split() for line in sizes.read_text().splitlines()]
    assert len(runners) == count
    memory, files = [int(words[1]) for words in runners], [int(words[3]) for words in runners]
    assert median(files[-20:]) == median(files[:20])
    assert median(memory[-20:]) <= median(memory[:20]) * _ROOM_TO_GROW, "kB of a runner's memory: the last, the first"


def _await_end_of_all(state_dir: str, count: int) -> None:
    left, stuck = count + 1, 0.0
    while left:
        now = len(open_jobs(StateDir(state_dir)))
        stuck = 0.0 if now < left else stuck + _LOOK_AGAIN_S
        assert stuck < PATIENCE_S, f"{left} of {count} are left, and none of them starts"
        left = now
        select.select([], [], [], _LOOK_AGAIN_S)
