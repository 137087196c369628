"""Limits and endings that the runner keeps by itself: silence, what outlives the command, the first input, pools."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import LaunchError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.conftest import Liveness
from tests.patience import PATIENCE_S
from tests.survival.support import (
    another_manager,
    directory_of,
    ended,
    exit_of,
    output_of,
    printed,
    runner_of,
    start,
    status_of,
)

pytestmark = pytest.mark.real_process

#: Silence that is long enough to be told from a slow machine's, and a pause that is none.
SILENCE_S, PAUSE_S, ROUNDS = 4.0, 0.5, 18


@pytest.mark.requirement("limits.idle")
def test_a_silent_job_is_stopped_with_no_server_alive(state_dir: str, liveness: Liveness) -> None:
    command = "echo begun; exec " + liveness.script("silent", "connect('silent')\nignore()\nhang()\n")
    with another_manager(state_dir) as manager:
        job = asyncio.run(start(manager, command, idle_timeout_s=SILENCE_S))
    liveness.expect("silent")

    liveness.wait_dead("silent")

    with another_manager(state_dir) as later:
        end = asyncio.run(ended(later, job.job_id))
    assert end.status == "timed_out"
    assert end.reason.startswith("no output for 4 s")


@pytest.mark.requirement("limits.own_way")
@pytest.mark.parametrize("why", ["limit", "signal", "ancestor"])
async def test_a_job_is_stopped_in_its_own_way_where_nobody_says_how(
    manager: JobManager, state_dir: str, liveness: Liveness, why: str
) -> None:
    ancestor = await start(manager, liveness.holder("ancestor"))
    heeds = "ignore(15)\nsignal.signal(signal.SIGINT, lambda *_: os._exit(7))\nconnect('own')\nhang()\n"
    job = await start(
        manager,
        "exec " + liveness.script("own", heeds),
        timeout_s=5 if why == "limit" else None,
        parent=ancestor.job_id,
        stop_signal="SIGINT",
        stop_grace_s=PATIENCE_S,
    )
    liveness.expect("own", "ancestor")

    if why == "signal":
        os.kill(runner_of(state_dir, job.job_id), signal.SIGTERM)
    elif why == "ancestor":
        await manager.kill(ancestor.job_id, by="test", grace_s=PATIENCE_S)

    assert (await ended(manager, job)).exit_code == 7
    stop = exit_of(state_dir, job.job_id).stop_requested
    assert stop is not None
    assert stop.signal == "SIGINT"
    if why != "ancestor":
        assert stop.grace_s == PATIENCE_S
        await manager.kill(ancestor.job_id, by="test")


@pytest.mark.requirement("limits.idle")
async def test_a_job_that_goes_on_writing_or_is_sent_input_is_not_silent(manager: JobManager) -> None:
    began = time.monotonic()
    talk = f"for i in $(seq {ROUNDS}); do echo $i; sleep {PAUSE_S}; done"
    talker = await start(manager, talk, idle_timeout_s=SILENCE_S)
    listener = await start(manager, "cat > /dev/null", stdin="pipe", idle_timeout_s=SILENCE_S)
    for _ in range(ROUNDS):
        await manager.wait(listener, WaitRequest(until=Until(Kind.EXIT), wait_s=PAUSE_S))
        await manager.send_input(listener, b"x")
    await manager.send_input(listener, b"", eof=True)

    assert (await ended(manager, talker)).status == "completed"
    assert (await ended(manager, listener)).status == "completed"
    assert time.monotonic() - began > 2 * SILENCE_S


LEFT = {
    "in the background": "fork_into(lambda: connect('left'))",
    "in its own session": "fork_into(os.setsid, lambda: connect('left'))",
    "a daemon that ignores TERM": "daemon(ignore, lambda: connect('left'))",
}


@pytest.mark.requirement("leftovers.kill")
@pytest.mark.parametrize("exit_code", [0, 3])
@pytest.mark.parametrize("form", LEFT)
async def test_what_outlives_its_command_is_ended_and_the_end_is_the_commands(
    manager: JobManager, liveness: Liveness, state_dir: str, form: str, exit_code: int
) -> None:
    body = f"{LEFT[form]}\nsys.stdin.readline()\nprint('last words', flush=True)\nos._exit({exit_code})\n"
    job = await start(manager, "exec " + liveness.script("leader", body), stdin="pipe", leftovers="kill")
    liveness.expect("left")
    waiting = asyncio.create_task(
        manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=PATIENCE_S, from_start=True))
    )
    await manager.send_input(job, b"go\n")

    waited = await waiting

    assert waited.why == "exit"
    end = waited.job
    liveness.assert_dead("left")
    assert (end.status, end.exit_code) == ("completed" if exit_code == 0 else "failed", exit_code)
    record = exit_of(state_dir, job.job_id)
    assert record.stop_requested is None
    assert bool(record.killed_pids) == ("TERM" in form)
    assert output_of(manager, job.job_id) == b"last words\n"


@pytest.mark.requirement("leftovers.kill")
async def test_leftovers_live_on_unless_it_is_asked_otherwise(manager: JobManager, liveness: Liveness) -> None:
    job = await start(manager, f"{liveness.holder('left')} & exit 0")
    liveness.expect("left")

    waited = await manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=PATIENCE_S, from_start=True))

    assert waited.why == "left_running"
    liveness.assert_alive("left")
    await manager.kill(job.job_id, by="test")


def test_who_is_told_that_the_command_has_ended_finds_all_that_it_wrote(
    liveness: Liveness, state_dir: str, tmp_path: Path
) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    # The child keeps the pipe open, so that no end of the pipe tells the runner to read on.
    body = "fork_into(lambda: connect('left'))\nprint('x' * 60000, flush=True)\nos._exit(0)\n"
    command = "exec " + liveness.script("leader", f"open({str(fifo)!r}).read()\n{body}")
    for number in range(12):
        with another_manager(state_dir) as manager:
            job = asyncio.run(start(manager, command))
            leader = os.pidfd_open(status_of(state_dir, job.job_id).pid or 0)
            runner = runner_of(state_dir, job.job_id)
            os.kill(runner, signal.SIGSTOP)  # so that output and end are news at once
            fifo.write_text("")
            liveness.expect_many("left", number + 1)
            assert select.select([leader], [], [], PATIENCE_S)[0]
            os.close(leader)

            os.kill(runner, signal.SIGCONT)

            deadline = time.monotonic() + PATIENCE_S
            while status_of(state_dir, job.job_id).leader_exit is None:
                assert time.monotonic() < deadline
            assert os.stat(directory_of(state_dir, job.job_id).log).st_size == 60001
            asyncio.run(manager.kill(job.job_id, by="test", grace_s=0))


async def test_the_first_input_comes_from_a_file_whoever_lives(state_dir: str, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_bytes(b"line\n" * 400_000)
    with another_manager(state_dir) as manager:
        job = await start(manager, "head -n 400000 | md5sum; head -n 1", stdin="pipe", stdin_file=str(first))
        await printed(manager, job, "  -")
        await manager.send_input(job, b"more\n")
        await ended(manager, job)

        assert output_of(manager, job.job_id).splitlines()[-1] == b"more"
        assert output_of(manager, job.job_id).split()[0] == b"bbd24934b0b9481b0d24373afc7fe5f4"


async def test_a_job_whose_first_input_is_gone_is_not_started(manager: JobManager, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"cannot read .*gone, its first input"):
        await start(manager, "cat", stdin="pipe", stdin_file=str(tmp_path / "gone"))


async def test_a_program_that_does_not_wait_for_its_reader_has_much_room(manager: JobManager) -> None:
    ask = f"{sys.executable} -I -S -c 'import fcntl; print(fcntl.fcntl(1, fcntl.F_GETPIPE_SZ))'"
    roomy = await start(manager, ask, large_pipes=True)
    usual = await start(manager, ask)
    await ended(manager, roomy)
    await ended(manager, usual)

    assert int(output_of(manager, roomy.job_id)) == 1024 * 1024
    assert int(output_of(manager, usual.job_id)) == 64 * 1024


@pytest.mark.requirement("kill.killed_pids")
async def test_the_record_names_what_had_to_be_killed(manager: JobManager, liveness: Liveness, state_dir: str) -> None:
    body = "pid = fork_into(ignore, lambda: connect('stubborn'))\nprint(pid, flush=True)\nconnect('leader')\nhang()\n"
    job = await start(manager, "exec " + liveness.script("tree", body))
    liveness.expect("stubborn", "leader")

    await manager.kill(job.job_id, by="test", grace_s=0.1)

    assert exit_of(state_dir, job.job_id).killed_pids == [int(output_of(manager, job.job_id))]


@pytest.mark.requirement("queue.pools")
async def test_a_pool_limits_its_jobs_and_no_others(state_dir: str, tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    with another_manager(state_dir) as manager:
        first = await start(manager, f"read line < {fifo}", pools={"runs": 1})
        second = await start(manager, "true", pools={"runs": 1})
        other = await start(manager, "true")
        await ended(manager, other)

        assert (await manager.find(second.job_id)).status == "queued"
        await asyncio.to_thread(fifo.write_text, "go\n")
        assert (await ended(manager, second)).status == "completed"
        assert (await manager.find(first.job_id)).status == "completed"


async def test_a_wait_for_output_ends_with_the_first_byte_and_not_before(manager: JobManager) -> None:
    job = await start(manager, "read line; printf x; read line", stdin="pipe")
    nothing = await manager.wait(job, WaitRequest(until=Until(Kind.OUTPUT), wait_s=0.2))
    waiting = asyncio.create_task(manager.wait(job, WaitRequest(until=Until(Kind.OUTPUT), wait_s=PATIENCE_S)))
    await manager.send_input(job, b"go\n")

    assert nothing.why == "timeout"
    assert (await waiting).why == "output"
    again = await manager.wait(job, WaitRequest(until=Until(Kind.OUTPUT), since=1, wait_s=0.1))
    assert again.why == "timeout"
    await manager.send_input(job, b"", eof=True)
    assert (await ended(manager, job)).outcome is not None
