"""No stranger is ever signalled, whatever the files of a job claim."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import subprocess
import time
from collections.abc import Generator
from typing import Any

import pytest

from mcp_background_job.core.recovery import REBOOT
from mcp_background_job.errors import RunnerSilentError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, StateDir
from mcp_background_job.jobdir.records import Spec, Status
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.live_files import copy_live
from tests.patience import PATIENCE_S, wait_until
from tests.survival.support import (
    Server,
    another_manager,
    directory_of,
    ended,
    exit_of,
    start,
    status_of,
)

pytestmark = pytest.mark.real_process

#: Tells of every signal that a process can be told of; SIGKILL and SIGSTOP would show in other ways.
_COUNTER = """
sock = connect("stranger")
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGALRM}:
    signal.signal(number, lambda number, frame: sock.sendall(b"%d " % number))
sock.sendall(b"ready ")
hang()
"""


#: Larger than any pid: proc(5), pid_max.
_NOBODY = 2**22


def _cookie_for(state_dir: str) -> str:
    """Return a cookie as the job ``jold`` would have it: made for that very directory."""
    path = StateDir(state_dir).job("jold").path
    os.makedirs(path, exist_ok=True)
    facts = os.stat(path)
    return f"{facts.st_dev:x}-{facts.st_ino:x}-{'c' * 32}"


@pytest.fixture
def stranger(state_dir: str, liveness: Liveness) -> Generator[int]:
    """A process of this user that belongs to no job, although its environment says so."""
    process = subprocess.Popen(
        liveness.script("stranger", _COUNTER).split(),
        env={COOKIE_VARIABLE: _cookie_for(state_dir)},
        start_new_session=True,
    )
    try:
        liveness.expect("stranger")
        liveness.wait_received("stranger", b"ready ")
        yield process.pid
    finally:
        process.kill()
        process.wait(PATIENCE_S)


#: The two kinds of lock that one process can hold on a file for itself.
_LOCKS = {
    "of the process": "fcntl.lockf(file, fcntl.LOCK_EX)",
    "of the open file": "fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack('@hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))",
}


@contextlib.contextmanager
def _lock_held_by_stranger(state_dir: str, liveness: Liveness, job_id: str, kind: str) -> Generator[None]:
    """A process that runs no job, and holds the lock of one."""
    path = directory_of(state_dir, job_id).lock
    take = f"import fcntl, struct\nfile = open({path!r}, 'r+')\n{_LOCKS[kind]}\n"
    process = subprocess.Popen(liveness.script("stranger", take + _COUNTER).split(), start_new_session=True)
    try:
        liveness.expect("stranger")
        liveness.wait_received("stranger", b"ready ")
        yield
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def _assert_untouched(liveness: Liveness) -> None:
    liveness.assert_alive("stranger")
    assert liveness.received("stranger") == b"ready "


def _forge(state_dir: str, job_id: str, *, cookie: str = "0" * 32, **status: Any) -> None:
    job = StateDir(state_dir).job(job_id)
    os.makedirs(job.path, exist_ok=True)
    os.makedirs(job.state_dir.open, exist_ok=True)
    spec = Spec(
        job_id=job_id,
        command="sleep 60",
        argv=["/bin/sh", "-c", "sleep 60"],
        cwd="/",
        env={},
        created_at=time.time(),
        cookie=cookie,
        max_output=2**20,
        max_jobs=10,
    )
    records.write_spec(job, spec)
    records.write(job.status, records.encode(Status(started_at=time.time(), state="running", **status)))
    open(job.lock, "w").close()
    open(job.log, "w").close()
    open(job.state_dir.open_mark(job_id), "w").close()


@pytest.mark.requirement("strangers.spared")
async def test_a_status_file_that_names_a_strangers_pid_makes_nobody_signal_it(
    manager: JobManager, state_dir: str, liveness: Liveness, stranger: int
) -> None:
    _forge(state_dir, "jforged", boot_id=boot_id(), runner_pid=stranger, pid=stranger, survivors=[stranger])

    await manager.recover()
    killed = await manager.kill("jforged", by="test", signal="KILL")

    assert killed.status == "already_terminated"
    now = await ended(manager, "jforged")
    assert now.status == "lost"
    await asyncio.to_thread(wait_until, lambda: os.path.exists(f"{state_dir}/jobs/jforged/exit.json"), "a sweep")
    _assert_untouched(liveness)


@pytest.mark.requirement("strangers.spared")
async def test_a_live_jobs_status_file_may_lie_and_still_only_the_job_is_killed(
    manager: JobManager, state_dir: str, liveness: Liveness, stranger: int
) -> None:
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("leader")
    lie = dataclasses.replace(status_of(state_dir, job.job_id), runner_pid=stranger, pid=stranger)
    records.write(directory_of(state_dir, job.job_id).status, records.encode(lie))

    assert (await manager.kill(job.job_id, by="test")).status == "killed"

    liveness.assert_dead("leader")
    _assert_untouched(liveness)


@pytest.mark.requirement("strangers.spared")
@pytest.mark.parametrize("kind", _LOCKS)
@pytest.mark.parametrize("has_status", [True, False])
async def test_whoever_holds_a_jobs_lock_is_not_taken_for_its_runner(
    manager: JobManager, state_dir: str, liveness: Liveness, kind: str, *, has_status: bool
) -> None:
    _forge(state_dir, "jlocked", boot_id=boot_id(), runner_pid=_NOBODY, pid=_NOBODY)
    if not has_status:
        os.unlink(directory_of(state_dir, "jlocked").status)

    with _lock_held_by_stranger(state_dir, liveness, "jlocked", kind):
        await manager.recover()
        with pytest.raises(RunnerSilentError, match="jlocked"):
            await manager.kill("jlocked", by="test", signal="KILL")
        assert not os.path.exists(directory_of(state_dir, "jlocked").exit)  # noqa: ASYNC240
        _assert_untouched(liveness)

    killed = await manager.kill("jlocked", by="test")  # now that nobody is in the way
    assert killed.status == ("already_terminated" if has_status else "killed")
    assert exit_of(state_dir, "jlocked").outcome == ("lost" if has_status else "killed")


@pytest.mark.requirement("strangers.reboot")
@pytest.mark.parametrize("by", ["recovery", "kill", "server"])
async def test_records_of_the_last_boot_are_lost_and_nothing_is_signalled(
    manager: JobManager, state_dir: str, liveness: Liveness, stranger: int, by: str
) -> None:
    # Even the cookie matches: before a restart of the machine it proves nothing.
    _forge(
        state_dir, "jold", cookie=_cookie_for(state_dir), boot_id="of-another-boot", runner_pid=stranger, pid=stranger
    )

    if by == "kill":
        assert (await manager.kill("jold", by="test")).status == "already_terminated"
    elif by == "server":
        with Server() as server:
            status = await asyncio.to_thread(server.call, "get_job_status", job_id="jold")
            assert (status["status"], status["reason"]) == ("lost", REBOOT)
    else:
        await manager.recover()

    await asyncio.to_thread(wait_until, lambda: os.path.exists(f"{state_dir}/jobs/jold/exit.json"), "a sweep")
    record = exit_of(state_dir, "jold")
    assert (record.outcome, record.reason, record.exit_code) == ("lost", REBOOT, None)
    _assert_untouched(liveness)


@pytest.mark.requirement("strangers.copies")
@pytest.mark.parametrize("what", ["the job's directory", "the state directory"])
async def test_a_copy_of_a_live_jobs_files_does_not_get_the_job_killed(
    manager: JobManager, state_dir: str, liveness: Liveness, what: str
) -> None:
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("leader")
    path = directory_of(state_dir, job.job_id)

    if what == "the job's directory":
        copy, copied_id = state_dir, "jcopy"
        copy_live(path.path, f"{state_dir}/jobs/{copied_id}")
    else:
        copy, copied_id = f"{state_dir}-copy", job.job_id
        copy_live(state_dir, copy)
    with another_manager(copy) as other:
        await other.recover()
        assert (await other.find(copied_id)).status == "lost"
        await other.kill(copied_id, by="test")
        await asyncio.to_thread(wait_until, lambda: os.path.exists(f"{copy}/jobs/{copied_id}/exit.json"), "a sweep")

    try:
        liveness.assert_alive("leader")
        assert (await manager.find(job.job_id)).status == "running"
    finally:
        await manager.kill(job.job_id, by="test", signal="KILL")
    liveness.assert_dead("leader")


@pytest.mark.requirement("strangers.spared")
async def test_killing_a_job_leaves_other_jobs_and_their_runners_alone(manager: JobManager, liveness: Liveness) -> None:
    jobs = [await start(manager, liveness.holder(name)) for name in ("one", "two", "three")]
    liveness.expect("one", "two", "three")

    assert (await manager.kill(jobs[1].job_id, by="test")).status == "killed"

    liveness.assert_dead("two")
    liveness.assert_alive("one", "three")
    assert [(await manager.find(job.job_id)).status for job in jobs] == ["running", "killed", "running"]
    for job in (jobs[0], jobs[2]):
        assert (await manager.kill(job.job_id, by="test")).status == "killed"
    liveness.assert_dead("one", "three")
