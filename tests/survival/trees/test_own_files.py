"""A job whose files are removed or forged, by itself say, is running for as long as it runs, and can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.runner.supervisor import TOGETHER_S
from tests.conftest import Liveness
from tests.survival.support import (
    another_manager,
    directory_of,
    ended,
    exit_of,
    kill_and_wait,
    runner_of,
    start,
    status_of,
)

pytestmark = pytest.mark.real_process

_FORGED = records.encode(Exit(outcome="completed", ended_at=1.0, exit_code=0, reason="forged"))

_REMOVED = ["control.sock", "runner.lock", "status.json", "spec.json"]


def _forge(job: JobDir) -> None:
    records.write(job.exit, _FORGED)


@pytest.mark.requirement("files.removed")
@pytest.mark.parametrize("name", [*_REMOVED, "everything in it", "all of it"])
@pytest.mark.parametrize("by", ["the same", "another"])
async def test_a_job_whose_files_are_gone_is_running_and_can_be_killed(
    manager: JobManager, liveness: Liveness, state_dir: str, name: str, by: str
) -> None:
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("leader")
    await manager.find(job.job_id)  # its record is put into the index beside the start: without it nothing tells of it
    files = directory_of(state_dir, job.job_id)
    if name == "all of it":
        shutil.rmtree(files.path)
    elif name == "everything in it":
        for file in await asyncio.to_thread(os.listdir, files.path):
            os.unlink(f"{files.path}/{file}")
    else:
        os.unlink(f"{files.path}/{name}")

    with another_manager(state_dir) as other:
        who = manager if by == "the same" else other
        assert (await who.find(job.job_id)).status in {"running", "queued"}
        liveness.assert_alive("leader")
        killed = await who.kill(job.job_id, by="test")

    assert killed.status == "killed"
    assert killed.job is not None
    assert killed.job.status == "killed"
    liveness.assert_dead("leader")


@pytest.mark.requirement("files.forged")
async def test_a_job_that_forges_its_exit_record_is_running_until_it_ends(
    manager: JobManager, liveness: Liveness, state_dir: str
) -> None:
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("leader")
    _forge(directory_of(state_dir, job.job_id))

    with another_manager(state_dir) as other:
        assert (await other.find(job.job_id)).status == "running"
        assert [found.status for found in await other.list()] == ["running"]
    killed = await manager.kill(job.job_id, by="test")

    assert killed.status == "killed"
    assert exit_of(state_dir, job.job_id).outcome == "killed"
    liveness.assert_dead("leader")


@pytest.mark.requirement("files.forged")
@pytest.mark.parametrize("runner", ["lives", "is dead"])
async def test_a_directory_in_the_place_of_the_exit_record_ends_nothing_and_hides_nothing(
    manager: JobManager, liveness: Liveness, state_dir: str, runner: str
) -> None:
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("leader")
    files = directory_of(state_dir, job.job_id)
    os.mkdir(files.exit)
    if runner == "is dead":
        kill_and_wait(runner_of(state_dir, job.job_id))
    else:
        assert (await manager.find(job.job_id)).status == "running"

    killed = await manager.kill(job.job_id, by="test")

    liveness.assert_dead("leader")
    outcome = "killed" if runner == "lives" else "lost"
    assert (killed.status, killed.job and killed.job.status) == ("killed", outcome)
    assert exit_of(state_dir, job.job_id).outcome == outcome
    assert (await manager.kill(job.job_id, by="test")).status == "already_terminated"


@pytest.mark.requirement("files.forged")
async def test_a_forged_success_gives_way_to_how_the_job_ended(manager: JobManager, state_dir: str) -> None:
    job = await start(manager, "read line; exit 3", stdin="pipe")
    _forge(directory_of(state_dir, job.job_id))
    await manager.send_input(job, b"", eof=True)

    end = await ended(manager, job)

    assert (end.status, end.exit_code) == ("failed", 3)


@pytest.mark.requirement("files.forged")
async def test_a_forged_status_gets_nobody_signalled(manager: JobManager, liveness: Liveness, state_dir: str) -> None:
    stranger = await start(manager, liveness.holder("stranger"))
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("stranger", "leader")
    files = directory_of(state_dir, job.job_id)
    status = json.loads(Path(files.status).read_text())  # noqa: ASYNC240
    status |= {"runner_pid": runner_of(state_dir, stranger.job_id), "pid": status_of(state_dir, stranger.job_id).pid}
    Path(files.status).write_text(json.dumps(status))  # noqa: ASYNC240
    os.unlink(files.lock)
    os.unlink(files.control)

    assert (await manager.kill(job.job_id, by="test")).status == "killed"

    liveness.assert_dead("leader")
    liveness.assert_alive("stranger")
    await manager.kill(stranger.job_id, by="test", signal="KILL")


_JUNK = [
    b"Infinity",
    b"\xff\xfe\0",
    b"[" * 5000,
    b'{"op": ["stop"]}',
    b'{"op": "signal", "number": 99999999999}',
    b'{"op": "signal", "number": 65}',
    b'{"op": "signal", "number": -1}',
    b'{"op": "watch", "size": Infinity, "leader_exited": false}',
    b'{"op": "watch", "size": 1e999, "leader_exited": false}',
    b'{"op": "stop", "signal": "SIG_IGN", "grace_s": 1, "by": "x", "why": "y"}',
    b'{"op": "stop", "signal": "SIGTERM", "grace_s": NaN, "by": "x", "why": "y"}',
    b'{"op": "stop", "signal": "SIGTERM", "grace_s": -1, "by": "x", "why": "y"}',
    b'{"op": "input", "data": "\\ud800", "eof": false}',
    b'{"op": "port", "port": -1}',
    b'{"op": "port", "port": 1e400}',
    b'{"op": "usage", "more": {}}',
    b'{"op": null}',
    b"{}",
    b"",
]


@pytest.mark.requirement("files.junk")
async def test_junk_on_its_socket_does_not_end_a_runner_or_its_job(
    manager: JobManager, liveness: Liveness, state_dir: str
) -> None:
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("leader")
    runner = runner_of(state_dir, job.job_id)
    directory = os.open(directory_of(state_dir, job.job_id).path, os.O_PATH)
    for turn in range(20):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"/proc/self/fd/{directory}/control.sock")
            sock.settimeout(20)
            for line in _JUNK[turn % len(_JUNK) :] + _JUNK[: turn % len(_JUNK)]:
                sock.sendall(line + b"\n")
            answers = sock.makefile("rb")
            for _ in _JUNK:
                answer = await asyncio.to_thread(answers.readline)
                assert b"error" in answer or b"processes" in answer or b"usage" in answer, answer
            answers.close()
    os.close(directory)

    assert runner_of(state_dir, job.job_id) == runner
    liveness.assert_alive("leader")
    assert (await manager.kill(job.job_id, by="test")).status == "killed"


def _told_together(pids: list[int]) -> bool:
    """Send SIGTERM to processes one after the other; tells whether that was quick enough to count as together."""
    began = time.monotonic()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # a runner that was told first has ended its job by now
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.005)  # the time between two signals of one that goes through a tree
    return time.monotonic() - began < TOGETHER_S


@pytest.mark.requirement("stop.together")
@pytest.mark.parametrize("first", ["the job", "the runner"])
@pytest.mark.parametrize("body", ["hang()", "signal.signal(15, lambda *_: os._exit(143))\nhang()"])
async def test_a_job_that_is_told_to_end_together_with_its_runner_is_killed(
    manager: JobManager, liveness: Liveness, state_dir: str, first: str, body: str
) -> None:
    command = "exec " + liveness.script("leader", f"connect('leader')\n{body}\n")
    for number in itertools.count(1):
        job = await start(manager, command)
        liveness.expect_many("leader", number)
        pid = status_of(state_dir, job.job_id).pid
        assert pid is not None
        pids = [pid, runner_of(state_dir, job.job_id)]
        together = _told_together(pids if first == "the job" else pids[::-1])
        end = await ended(manager, job)
        if together:  # a loaded machine may keep us from it: then try again
            assert (end.status, end.reason) == ("killed", "its runner received SIGTERM (SIGTERM, asked by system)")
            break


@pytest.mark.requirement("stop.together")
async def test_a_job_that_somebody_ends_by_sigterm_has_failed(manager: JobManager) -> None:
    end = await ended(manager, await start(manager, "kill $$"))

    assert (end.status, end.signal) == ("failed", "SIGTERM")
