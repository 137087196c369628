"""A runner that dies or falls silent: its job is lost, said as such, and nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import RunnerSilentError
from mcp_background_job.jobdir import lock, records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Status
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.conftest import Liveness
from tests.patience import PATIENCE_S, WAIT_S, until, wait_until
from tests.survival.support import (
    Server,
    another_manager,
    cannot_wake,
    directory_of,
    ended,
    exit_of,
    kill_and_wait,
    output_of,
    printed,
    runner_of,
    start,
)

pytestmark = pytest.mark.real_process

_TREE = """
ignore()
connect("leader")
fork_into(os.setsid, lambda: connect("child"))
daemon(lambda: connect("daemon"))
print("before", flush=True)
hang()
"""
_NAMES = ("leader", "child", "daemon")


def _dead_children_of(pid: int) -> int:
    """Return how many children of a process are dead, and not collected."""
    stats = [stat for path in Path("/proc").glob("[0-9]*/stat") if (stat := _read(path))]
    fields = [stat.rpartition(")")[2].split() for stat in stats]
    return sum(state == "Z" and parent == str(pid) for state, parent, *_ in fields)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@pytest.mark.requirement("lost.swept")
async def test_the_job_of_a_killed_runner_is_lost_and_its_tree_is_swept(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    job = await start(manager, "exec " + liveness.script("tree", _TREE))
    liveness.expect(*_NAMES)
    await printed(manager, job, "before")

    kill_and_wait(runner_of(state_dir, job.job_id))

    now = await ended(manager, job)
    assert (now.status, now.exit_code) == ("lost", None)
    assert "runner was killed" in now.reason
    # In a thread: whoever has seen that the runner is dead has the sweep begin on this loop.
    await asyncio.to_thread(liveness.wait_dead, *_NAMES)
    path = directory_of(state_dir, job.job_id)
    await asyncio.to_thread(wait_until, lambda: os.path.exists(path.exit), "an exit record")
    assert exit_of(state_dir, job.job_id).outcome == "lost"
    assert (await manager.find(job.job_id)).status == "lost"
    assert output_of(manager, job.job_id) == b"before\n"


@pytest.mark.requirement("lost.swept")
def test_a_server_started_after_the_runner_died_says_lost_and_sweeps(state_dir: str, liveness: Liveness) -> None:
    with another_manager(state_dir) as manager:
        job = asyncio.run(start(manager, "exec " + liveness.script("tree", _TREE)))
        liveness.expect(*_NAMES)
    kill_and_wait(runner_of(state_dir, job.job_id))
    with Server() as server:
        waited = server.call("wait_for_job", job_id=job.job_id, wait_s=WAIT_S)
        assert (waited["status"], waited.get("exit_code")) == ("lost", None)
        assert "unknown" in waited["reason"]
        liveness.wait_dead(*_NAMES)


@pytest.mark.requirement("lost.swept")
@pytest.mark.parametrize("is_indexed", [True, False])
async def test_recovery_sweeps_without_anybody_asking_about_the_job(
    state_dir: str, liveness: Liveness, *, is_indexed: bool
) -> None:
    with another_manager(state_dir) as manager:
        job = await start(manager, "exec " + liveness.script("tree", _TREE))
        liveness.expect(*_NAMES)
        if is_indexed:
            await manager.list()
    if not is_indexed:
        os.unlink(f"{state_dir}/jobs.sqlite3")
    kill_and_wait(runner_of(state_dir, job.job_id))
    try:
        with another_manager(state_dir) as later:
            await later.recover()
            await asyncio.to_thread(liveness.wait_dead, *_NAMES)
            path = directory_of(state_dir, job.job_id)
            await asyncio.to_thread(wait_until, lambda: os.path.exists(path.exit), "an exit record")
    finally:
        liveness.end_all()


@pytest.mark.requirement("kill.without_runner")
async def test_killing_a_lost_job_is_answered_when_its_tree_is_dead(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    job = await start(manager, "exec " + liveness.script("tree", _TREE))
    liveness.expect(*_NAMES)
    kill_and_wait(runner_of(state_dir, job.job_id))

    killed = await manager.kill(job.job_id, by="test")

    liveness.assert_dead(*_NAMES)
    assert (killed.status, killed.job and killed.job.status) == ("killed", "lost")
    assert (await manager.kill(job.job_id, by="test")).status == "already_terminated"


@pytest.mark.requirement("kill.without_runner")
async def test_killing_a_lost_job_that_is_being_swept_waits_for_the_sweep(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    job = await start(manager, "exec " + liveness.script("tree", _TREE))
    liveness.expect(*_NAMES)
    runner = runner_of(state_dir, job.job_id)
    kill_and_wait(runner)
    assert (await manager.find(job.job_id)).status == "lost"  # which begins the sweep
    path = directory_of(state_dir, job.job_id)
    await asyncio.to_thread(wait_until, lambda: lock.holder_of(path.lock) is not None, "a sweeper")

    await manager.kill(job.job_id, by="test")

    liveness.assert_dead(*_NAMES)


@pytest.mark.requirement("kill.without_runner")
@pytest.mark.parametrize("form", ["tree", "orphan without the environment"])
async def test_a_runner_that_cannot_be_woken_is_killed_with_its_job(
    manager: JobManager, state_dir: str, liveness: Liveness, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr("mcp_background_job.executors.local.cancelling.wake", cannot_wake)
    body = _TREE if form == "tree" else "ignore()\nconnect('leader')\ndaemon(lambda: bare('daemon'))\nhang()\n"
    names = _NAMES if form == "tree" else ("leader", "daemon")
    job = await start(manager, "exec " + liveness.script("tree", body))
    liveness.expect(*names)
    runner = runner_of(state_dir, job.job_id)
    os.kill(runner, signal.SIGSTOP)

    async with asyncio.timeout(PATIENCE_S):
        killed = await manager.kill(job.job_id, by="test", grace_s=0.1)

    try:
        liveness.assert_dead(*names)
    finally:
        liveness.end_all()
    assert killed.status == "killed"
    assert not os.path.exists(f"/proc/{runner}")  # noqa: ASYNC240  a look into the kernel
    now = await manager.find(job.job_id)
    assert (now.status, now.exit_code) == ("killed", None)
    assert "did not answer" in now.reason


@pytest.mark.requirement("kill.without_runner")
async def test_a_suspended_runner_is_woken_by_a_kill(manager: JobManager, state_dir: str, liveness: Liveness) -> None:
    job = await start(manager, "exec " + liveness.script("tree", _TREE))
    liveness.expect(*_NAMES)
    os.kill(runner_of(state_dir, job.job_id), signal.SIGSTOP)

    killed = await manager.kill(job.job_id, by="test", grace_s=0.1)

    liveness.assert_dead(*_NAMES)
    assert killed.status == "killed"
    assert killed.job
    assert killed.job.reason.startswith("kill requested (SIGTERM, asked by test)")


@pytest.mark.requirement("lost.swept")
async def test_a_suspended_runner_is_woken_before_the_dead_of_its_job_fill_the_process_table(
    manager: JobManager, state_dir: str, liveness: Liveness, tmp_path: Path
) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    body = (
        f"open({str(fifo)!r}).read()\nfor _ in range(40):\n    if os.fork() == 0:\n        os._exit(0)\nos._exit(0)\n"
    )
    job = await start(
        manager, "exec " + liveness.script("leader", f"connect('leader')\nfork_into(lambda: exec({body!r}))\nhang()\n")
    )
    liveness.expect("leader")
    runner = runner_of(state_dir, job.job_id)
    os.kill(runner, signal.SIGSTOP)
    await asyncio.to_thread(fifo.write_text, "")
    await asyncio.to_thread(wait_until, lambda: _dead_children_of(runner) == 40, "the dead")

    await manager.places.tend()

    await asyncio.to_thread(wait_until, lambda: _dead_children_of(runner) == 0, "a runner that collects them")
    await manager.kill(job.job_id, by="test", grace_s=0)


@pytest.mark.requirement("runner.silent")
async def test_input_for_a_deaf_runner_is_an_error_that_says_what_helps(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    job = await start(manager, liveness.holder("leader"), stdin="pipe")
    liveness.expect("leader")
    runner = runner_of(state_dir, job.job_id)
    os.kill(runner, signal.SIGSTOP)
    try:
        with pytest.raises(RunnerSilentError, match=r"does not answer; kill_job stops both"):
            await manager.send_input(job, b"hello\n")
        assert (await manager.find(job.job_id)).status == "running"  # and not lost: it may wake up
    finally:
        os.kill(runner, signal.SIGCONT)
    assert (await manager.kill(job.job_id, by="test")).status == "killed"


@pytest.mark.requirement("lost.swept")
@pytest.mark.requirement("start.once")
async def test_whenever_a_runner_is_killed_its_job_ran_at_most_once_and_is_never_called_completed(
    manager: JobManager, state_dir: str, tmp_path: Path
) -> None:
    generator = random.Random(20261121)  # noqa: S311  not for secrets
    for number in range(30):
        effect = tmp_path / f"effect{number}"
        request = StartRequest(command=f"echo ran >> {effect}; sleep 60; exit 0")
        job = (await manager.start(request, wait_for_report=False)).job
        path = directory_of(state_dir, job.job_id)
        await asyncio.to_thread(wait_until, lambda path=path: lock.holder_of(path.lock) is not None, "a runner")
        await asyncio.sleep(generator.random() * 0.004)  # the random moment
        runner = runner_of(state_dir, job.job_id)
        kill_and_wait(runner)
        now = await manager.find(job.job_id)
        if now.status == "queued" or not os.path.exists(path.status):  # noqa: ASYNC240
            assert not effect.exists()
            await manager.kill(job.job_id, by="test")
            continue

        def is_run_by_another(path: JobDir = path, runner: int = runner) -> bool:
            status = records.read(Status, path.status)  # the first had not begun when it was killed
            return status is not None and status.runner_pid != runner and not status.sweeping

        def is_decided(path: JobDir = path) -> bool:
            return is_run_by_another() or os.path.exists(path.exit)

        # Whoever sweeps up holds the lock for an instant before it says what it is: until then the job may seem to run.
        await asyncio.to_thread(wait_until, is_decided, "an exit record, or another runner")
        if is_run_by_another():
            await manager.kill(job.job_id, by="test")
        else:

            async def is_over(job_id: str = job.job_id) -> bool:
                return (await manager.find(job_id)).status != "running"

            await until(is_over, "a sweep")
            now = await manager.find(job.job_id)
            assert (now.status, now.exit_code) == ("lost", None)
        assert not effect.exists() or effect.read_text() == "ran\n"


@pytest.mark.requirement("queue.runner_killed")
async def test_a_job_that_waits_for_one_whose_runner_was_killed_gets_its_turn_or_its_reason(
    state_dir: str, liveness: Liveness
) -> None:
    with another_manager(state_dir, max_jobs=1) as manager:
        first = await start(manager, liveness.holder("first"))
        liveness.expect("first")
        queued = await start(manager, "echo my turn")
        dependent = await start(manager, "echo never", after=(first.job_id,))
        kill_and_wait(runner_of(state_dir, first.job_id))
        try:
            # Nobody asks about the first job: those who wait for the others must come to know.
            request = WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S)
            waited = await manager.wait_for_several([(queued, request), (dependent, request)], for_all=True)
            assert [each.job.status for each in waited] == ["completed", "failed"]
            assert "ended as lost" in waited[1].job.reason
        finally:
            for job in (first, queued, dependent):
                await manager.kill(job.job_id, by="test")
    liveness.assert_dead("first")
