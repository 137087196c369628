"""Damaged, missing, foreign and newer files: reported and worked around; never a crash, never a lost job."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.naming import Asker
from mcp_background_job.errors import BackgroundJobError, StateDirError
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness, wait_for_end_of
from tests.nursery.starts import program
from tests.patience import PATIENCE_S, WAIT_S, wait_until
from tests.survival.support import (
    Server,
    another_manager,
    directory_of,
    ended,
    output_of,
    printed,
    runner_of,
    start,
)

pytestmark = pytest.mark.real_process


def _damage(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


@pytest.mark.requirement("records.damaged")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"version": 1, "state": "run',
        b"\0" * 100,
        b"[]",
        b'{"version": 1}',
        b'{"state": "flying", "boot_id": "", "runner_pid": 1}',
        b'{"state": "running", "boot_id": "", "runner_pid": "one"}',
        b"[" * 100_000,
    ],
    ids=["empty", "half", "zeros", "list", "nothing in it", "unknown state", "wrong type", "deep"],
)
async def test_a_live_job_with_a_damaged_status_file_is_running_and_can_be_killed(
    manager: JobManager, state_dir: str, liveness: Liveness, data: bytes
) -> None:
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("leader")
    _damage(directory_of(state_dir, job.job_id).status, data)

    details = await manager.details(job.job_id)
    assert details.job.status == "running"
    assert "status.json" in (details.seen.trouble or "")
    assert [each.status for each in await manager.list()] == ["running"]
    assert (await manager.kill(job.job_id, by="test")).status == "killed"
    liveness.assert_dead("leader")


@pytest.mark.requirement("records.damaged")
@pytest.mark.parametrize(
    "data", [b"", b'{"version": 1, "outcome": "comple', b'{"outcome": "great", "ended_at": 1}', b"7"]
)
def test_a_half_written_exit_record_is_lost_with_the_reason_and_the_log_is_there(state_dir: str, data: bytes) -> None:
    with another_manager(state_dir) as manager:
        job = asyncio.run(_run(manager, "echo kept; exit 0"))
    _damage(directory_of(state_dir, job).exit, data)
    os.unlink(f"{state_dir}/jobs.sqlite3")  # which still knew how it ended
    with Server() as server:
        status = server.call("get_job_status", job_id=job)
        assert (status["status"], status.get("exit_code")) == ("lost", None)
        assert "exit.json" in status["reason"]
        assert "kept" in server.text("tail_job_output", job_id=job)
        assert server.call("kill_job", job_id=job)["status"] == "already_terminated"
        assert [row["status"] for row in server.call("list_jobs")["jobs"]] == ["lost"]


async def _run(manager: JobManager, command: str) -> str:
    return (await ended(manager, await start(manager, command))).job_id


@pytest.mark.requirement("records.damaged")
@pytest.mark.parametrize("spec", [None, b"", b'{"job_id": 5}', b"\xff\xfe"])
def test_a_job_directory_without_a_readable_spec_is_listed_and_harms_nobody(state_dir: str, spec: bytes | None) -> None:
    with another_manager(state_dir) as manager:
        job = asyncio.run(_run(manager, "echo kept; exit 3"))
    os.unlink(f"{state_dir}/jobs.sqlite3")
    path = directory_of(state_dir, job)
    os.unlink(path.spec)
    if spec is not None:
        _damage(path.spec, spec)
    os.mkdir(f"{state_dir}/jobs/jempty")
    with Server() as server:
        assert server.call("list_jobs")["elsewhere"] == 1  # whose it was cannot be read
        rows = server.call("list_jobs", all_projects=True)["jobs"]
        assert [(row["job_id"], row["status"], row["exit_code"]) for row in rows] == [(job, "failed", 3)]
        assert "kept" in server.text("get_job_output", job_id=job)
        assert server.call("get_job_status", job_id=job)["exit_code"] == 3
        assert "spec" in server.error("restart_job", job_id=job) or "record" in server.error("restart_job", job_id=job)
        assert server.call("execute_command", command="echo new", wait_s=WAIT_S)["status"] == "completed"


@pytest.mark.requirement("records.damaged")
async def test_a_queued_job_with_a_damaged_spec_says_so_and_can_be_withdrawn(state_dir: str) -> None:
    with another_manager(state_dir, max_jobs=1) as manager:
        first = await start(manager, "read line", stdin="pipe")
        second = await start(manager, "echo second")
        third = await start(manager, "echo third")
        _damage(directory_of(state_dir, second.job_id).spec, b'{"job_id"')
        await manager.send_input(first, b"", eof=True)
        assert (await ended(manager, third)).status == "completed"
    os.unlink(f"{state_dir}/jobs.sqlite3")
    with another_manager(state_dir) as later:
        await later.recover()
        job = await later.find(second.job_id)
        assert job.status == "queued"
        assert "spec.json" in job.reason
        await later.kill(second.job_id, by="test")
        assert (await later.find(second.job_id)).status == "killed"


@pytest.mark.requirement("start.recorded")
async def test_a_job_whose_server_was_killed_between_two_files_is_started_by_the_next(
    manager: JobManager, state_dir: str
) -> None:
    # What is on disk when the server dies right after spec.json was written.
    done = await _run(manager, "echo one; exit 4")
    path = directory_of(state_dir, done)
    again = directory_of(state_dir, "jagain")
    os.mkdir(again.path)
    with open(path.spec) as file:  # noqa: ASYNC230
        spec = file.read().replace(done, "jagain")
    _damage(again.spec, spec.encode())

    await manager.recover()

    now = await ended(manager, "jagain")
    assert (now.status, now.exit_code) == ("failed", 4)


@pytest.fixture
def foreign_state_dir(state_dir: str) -> str:
    """A state directory of somebody else."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.makedirs(state_dir)
    os.chown(state_dir, 65534, 65534)
    return state_dir


@pytest.mark.requirement("state_dir.private")
def test_a_state_directory_of_somebody_else_is_refused_in_one_sentence(foreign_state_dir: str) -> None:
    with pytest.raises(StateDirError, match=r"belongs to user 65534, not to 0: set MCP_BG_STATE_DIR"):
        build(load_settings(state_dir=foreign_state_dir))
    assert os.listdir(foreign_state_dir) == []


@pytest.mark.requirement("state_dir.private")
@pytest.mark.parametrize("what", ["foreign", "a file", "cannot be made"])
def test_a_server_that_cannot_use_its_state_directory_ends_with_one_sentence(
    state_dir: str, request: pytest.FixtureRequest, what: str
) -> None:
    match what:
        case "foreign":
            request.getfixturevalue("foreign_state_dir")
        case "a file":
            open(state_dir, "w").close()
        case _:
            state_dir = "/dev/null/state"
    ran = subprocess.run(
        program(),
        input=b"",
        capture_output=True,
        env={**os.environ, "MCP_BG_STATE_DIR": state_dir},
        timeout=PATIENCE_S,
        check=False,
    )
    message = ran.stderr.decode()
    assert ran.returncode != 0
    assert state_dir in message
    assert "Traceback" not in message
    assert len(message.splitlines()) <= 3


@pytest.mark.requirement("state_dir.private")
def test_everything_in_the_state_directory_is_for_its_owner_alone(state_dir: str) -> None:
    os.umask(os.umask(0))
    before = os.umask(0o000)
    try:
        with another_manager(state_dir) as manager:
            asyncio.run(_run(manager, "umask; echo x"))
    finally:
        os.umask(before)
    # A job is over a moment before its runner takes this away.
    wait_until(lambda: not list(Path(state_dir).glob("jobs/*/control.sock")), "the end of the runner")
    for folder, _, files in os.walk(state_dir):
        assert os.stat(folder).st_mode & 0o077 == 0, folder
        for name in files:
            path = Path(folder, name)
            assert path.stat().st_mode & 0o077 == 0 or folder == state_dir, path


@pytest.fixture
def locked(state_dir: str) -> Generator[sqlite3.Connection]:
    os.makedirs(state_dir, 0o700)
    connection = sqlite3.connect(f"{state_dir}/jobs.sqlite3", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield connection
    connection.close()


def _newer(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.execute("CREATE TABLE jobs (something TEXT)")
    connection.commit()
    connection.close()


def _garbage(path: str) -> None:
    _damage(path, b"this is no database" * 500)


def _directory(path: str) -> None:
    os.mkdir(path)


@pytest.mark.requirement("index.trouble")
@pytest.mark.parametrize("spoil", [_newer, _garbage, _directory])
def test_an_index_that_cannot_be_used_costs_no_job(state_dir: str, spoil: Callable[[str], None]) -> None:
    with another_manager(state_dir) as manager:
        job = asyncio.run(_run(manager, "exit 3"))
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(f"{state_dir}/jobs.sqlite3{suffix}"):
            os.unlink(f"{state_dir}/jobs.sqlite3{suffix}")
    spoil(f"{state_dir}/jobs.sqlite3")
    with Server() as server:
        assert server.call("get_job_status", job_id=job)["exit_code"] == 3
        assert server.call("execute_command", command="exit 4", wait_s=WAIT_S)["exit_code"] == 4
        assert [row["exit_code"] for row in server.call("list_jobs")["jobs"]] == [4, 3]


@pytest.mark.requirement("index.trouble")
@pytest.mark.usefixtures("locked")
def test_a_locked_index_costs_no_job() -> None:
    with Server() as server:
        started = server.call("execute_command", command="exit 4", wait_s=WAIT_S)
        assert started["exit_code"] == 4
        assert server.call("get_job_status", job_id=started["job_id"])["exit_code"] == 4
        assert [row["exit_code"] for row in server.call("list_jobs")["jobs"]] == [4]


@pytest.mark.requirement("index.trouble")
def test_a_removed_index_is_made_again_from_the_directories(state_dir: str) -> None:
    with another_manager(state_dir) as manager:
        codes = {asyncio.run(_run(manager, f"exit {code}")): code for code in range(5)}
    for name in os.listdir(state_dir):
        if name.startswith("jobs.sqlite3"):
            os.unlink(f"{state_dir}/{name}")
    with another_manager(state_dir) as later:
        assert {job.job_id: job.exit_code for job in asyncio.run(later.list())} == codes


@pytest.mark.requirement("state_dir.vanished")
async def test_when_the_state_directory_vanishes_the_job_runs_on_and_questions_get_an_answer(
    manager: JobManager, state_dir: str, tmp_path: Path, liveness: Liveness
) -> None:
    body = "connect('leader')\nsys.stdin.readline()\n" + "print('x' * 1000, flush=True)\n" * 50
    command = f"{liveness.script('leader', body)}; echo $? > {tmp_path}/proof"
    job = await start(manager, command, name="orphan", stdin="pipe")
    liveness.expect("leader")
    runner = runner_of(state_dir, job.job_id)
    async with await manager.places.connect(job.job_id) as channel:
        shutil.rmtree(state_dir)
        assert await channel.send_input(b"go\n", eof=False)
    await asyncio.to_thread(liveness.wait_dead, "leader")
    await asyncio.to_thread(wait_until, (tmp_path / "proof").exists, "the job's end")
    assert not await asyncio.to_thread(wait_for_end_of, {runner: "the runner"})  # while it lives, it is asked

    for question in (
        manager.find(job.job_id),
        manager.find("orphan", Asker(manager.project)),
        manager.details(job.job_id),
        manager.list(),
        start(manager, "echo new"),
    ):
        with pytest.raises(BackgroundJobError, match=r"no longer there|state|there is no job"):
            await question
    assert (await manager.kill(job.job_id, by="test")).status == "not_found"


@pytest.mark.requirement("state_dir.vanished")
async def test_when_one_jobs_directory_vanishes_the_others_are_not_touched(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    gone = await start(manager, liveness.holder("gone") + " <&0", stdin="pipe")
    other = await start(manager, "echo other; read line", stdin="pipe")
    liveness.expect("gone")
    await printed(manager, other, "other")
    shutil.rmtree(directory_of(state_dir, gone.job_id).path)

    assert (await manager.find(gone.job_id)).status == "running"  # its runner lives, whatever became of its files
    assert [job.job_id for job in await manager.list()] == [other.job_id]
    await manager.send_input(other, b"", eof=True)
    assert (await ended(manager, other)).status == "failed"  # read met the end of input
    assert output_of(manager, other.job_id) == b"other\n"
    liveness.assert_alive("gone")
    liveness.end_all()
