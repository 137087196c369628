"""That a job waits for input is the kernel's word on what its processes do."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from mcp_background_job.core.states import Outcome
from mcp_background_job.executors.waits import Waits
from mcp_background_job.jobs.manager import JobManager
from tests.patience import WAIT_S, until, wait_until
from tests.survival.support import ended, exit_of, printed, start, status_of

pytestmark = [pytest.mark.real_process, pytest.mark.usefixtures("patient")]

#: In about every second, output comes while the runner looks for the answer to a question.
_ROUNDS = 20

#: Seconds without output after which a job is ended.
_IDLE_S = 2.0

POLLS = "import select, sys; print('pick one> ', end='', flush=True); select.select([sys.stdin], [], [])"


async def waits(manager: JobManager, job_id: str) -> Waits:
    found = await manager.places.waits(job_id)
    assert found is not None
    return found


async def comes_to(manager: JobManager, job_id: str, how: str) -> Waits:
    async def is_so() -> bool:
        return (await waits(manager, job_id)).how == how

    await until(is_so, f"the job is found to do {how!r}")
    return await waits(manager, job_id)


@pytest.mark.parametrize("stdin", ["pipe", "pty"])
async def test_a_read_of_the_job_s_stdin_is_waiting_for_input(manager: JobManager, stdin: str) -> None:
    job = await start(manager, "printf 'Your name: '; read -r name; printf 'Your age: '; read -r age", stdin=stdin)
    first = await comes_to(manager, job.job_id, "read")
    assert first.size == len("Your name: ")
    assert (await manager.details(job.job_id)).note == "waits for input: Your name:"

    await manager.send_input(job, b"kim\n")
    await printed(manager, job, "age")
    second = await comes_to(manager, job.job_id, "read")

    assert second.block != first.block
    asked = "Your age:" if stdin == "pty" else "Your name: Your age:"  # the echo of a terminal has the line's end
    assert (await manager.details(job.job_id)).note == f"waits for input: {asked}"
    await manager.kill(job.job_id, by="test")


async def test_output_that_comes_while_somebody_asks_is_told_to_those_who_follow_it(manager: JobManager) -> None:
    job = await start(manager, "while read -r line; do sleep 0.01; echo $line; done", stdin="pipe")
    async with await manager.places.connect(job.job_id) as follower:
        for size in range(0, 2 * _ROUNDS, 2):
            follower.ask_for_news(size, leader_exited=False)
            await manager.send_input(job, b"x\n")
            while (await waits(manager, job.job_id)).size == size:
                pass
            async with asyncio.timeout(WAIT_S):
                news = await follower.news()
            assert news
            assert news.size == size + 2
    await manager.kill(job.job_id, by="test")


async def test_output_that_comes_while_somebody_asks_counts_as_a_sign_of_life(
    manager: JobManager, tmp_path: Path, state_dir: str
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    # The more processes, the longer the runner looks for an answer, and the more surely output comes meanwhile.
    command = f"for each in $(seq 40); do sleep 1000 & done; read line <> {go}; echo out; wait"
    job = await start(manager, command, stdin="pipe", idle_timeout_s=_IDLE_S)
    askers = [asyncio.create_task(_ask_all_the_time(manager, job.job_id)) for _ in range(8)]
    try:
        await asyncio.sleep(_IDLE_S / 4)  # the time that is missing at the end if the output does not count
        go.write_text("go\n")
        await ended(manager, job)
    finally:
        for asker in askers:
            asker.cancel()
        await asyncio.gather(*askers, return_exceptions=True)
    end = exit_of(state_dir, job.job_id)
    assert end.outcome == Outcome.TIMED_OUT
    written_at = manager.places.store_of(job.job_id).written_at(job.job_id, 0)
    if written_at is None:
        pytest.skip("the machine is so busy that the job had no time to print anything")
    assert end.ended_at - written_at >= 0.9 * _IDLE_S


async def _ask_all_the_time(manager: JobManager, job_id: str) -> None:
    while True:
        await manager.places.waits(job_id)


async def test_a_session_of_its_own_reads_the_terminal_although_it_is_not_in_the_foreground(
    manager: JobManager,
) -> None:
    asks = "import os; os.fork() and os.wait() and exit(); os.setsid(); input('realm? ')"
    job = await start(manager, shlex.join([sys.executable, "-c", asks]), stdin="pty")
    await comes_to(manager, job.job_id, "read")
    assert (await manager.details(job.job_id)).note == "waits for input: realm?"
    await manager.kill(job.job_id, by="test")


async def test_a_program_that_polls_its_terminal_waits_if_it_asks(manager: JobManager) -> None:
    job = await start(manager, shlex.join([sys.executable, "-c", POLLS]), stdin="pty")
    found = await comes_to(manager, job.job_id, "poll")
    assert found.mode == "line"
    assert (await manager.details(job.job_id)).note == "waits for input: pick one>"
    await manager.kill(job.job_id, by="test")


async def test_a_read_of_something_else_is_not(manager: JobManager) -> None:
    job = await start(manager, "echo up; sleep 600 | cat", stdin="pty")
    await printed(manager, job, "up")
    assert (await waits(manager, job.job_id)).how == "no"
    await manager.kill(job.job_id, by="test")


async def test_a_suspended_job_says_stopped(manager: JobManager, state_dir: str) -> None:
    job = await start(manager, "exec sleep 600")
    pid = status_of(state_dir, job.job_id).pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: ") T " in _stat(pid), "the job is suspended")  # bash itself, if it has not run exec yet
    note = (await manager.details(job.job_id)).note
    assert note is not None
    assert note.startswith("stopped: ")
    assert (await manager.notes([job]))[job.job_id] == note
    await manager.kill(job.job_id, by="test")


def _stat(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read()
