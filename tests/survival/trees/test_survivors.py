"""What cannot be killed: every kill says so in bounded time, names it, and says why."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.errors import SurvivorsError
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.nobody import Nobody, interpreter_of_nobody, nobody
from tests.patience import wait_until
from tests.survival.support import ended, exit_of, kill_and_wait, runner_of, start, status_of

__all__ = ["interpreter_of_nobody", "nobody"]

pytestmark = pytest.mark.real_process

_FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.fixture
def freezer() -> Generator[Path]:
    """A cgroup whose processes can be frozen so that SIGKILL does nothing: there are such ones in version 1 only.

    Ask for it before the rest: it must be undone last.
    """
    group = _FREEZER / f"test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no cgroups of version 1 that this user may make")
    yield group
    (group / "freezer.state").write_text("THAWED")
    wait_until(lambda: not (group / "tasks").read_text(), "an empty cgroup")
    group.rmdir()


@pytest.mark.requirement("kill.survivors")
async def test_every_kill_of_a_frozen_job_names_it_and_says_why(
    freezer: Path, manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    job = await start(manager, "exec " + liveness.holder("frozen"))
    liveness.expect("frozen")
    pid = status_of(state_dir, job.job_id).pid
    assert pid is not None
    (freezer / "tasks").write_text(str(pid))
    (freezer / "freezer.state").write_text("FROZEN")

    for _ in range(2):
        with pytest.raises(SurvivorsError, match=rf"{pid} \(frozen in a cgroup") as caught:
            await manager.kill(job.job_id, by="test", grace_s=0)
        assert caught.value.pids == (pid,)
    (freezer / "freezer.state").write_text("THAWED")

    assert (await ended(manager, job)).status == "killed"
    liveness.assert_dead("frozen")
    assert (await manager.kill(job.job_id, by="test")).status == "already_terminated"


@pytest.mark.requirement("kill.survivors")
async def test_a_lost_job_with_survivors_is_not_called_terminated_until_they_are_gone(
    freezer: Path, manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    job = await start(manager, "exec " + liveness.holder("frozen"))
    liveness.expect("frozen")
    pid = status_of(state_dir, job.job_id).pid
    (freezer / "tasks").write_text(str(pid))
    (freezer / "freezer.state").write_text("FROZEN")
    kill_and_wait(runner_of(state_dir, job.job_id))

    for _ in range(2):
        with pytest.raises(SurvivorsError, match=rf"{pid} \(frozen in a cgroup"):
            await manager.kill(job.job_id, by="test")
    assert exit_of(state_dir, job.job_id).outcome == "lost"
    (freezer / "freezer.state").write_text("THAWED")
    await asyncio.to_thread(liveness.wait_dead, "frozen")

    assert (await manager.kill(job.job_id, by="test")).status == "already_terminated"


_KILL_TWICE = """
import asyncio
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.errors import SurvivorsError
from mcp_background_job.jobs.request import StartRequest

async def main():
    manager = build(load_settings())
    job = (await manager.start(StartRequest(command=sys.argv[1]), client="test")).job
    sys.stdin.readline()
    for _ in range(2):
        try:
            print((await manager.kill(job.job_id, by="test", grace_s=0)).status, flush=True)
        except SurvivorsError as error:
            print(*error.pids, error, flush=True)
    sys.stdin.readline()
    print((await manager.kill(job.job_id, by="test", grace_s=0)).status, flush=True)

asyncio.run(main())
"""


@pytest.mark.requirement("kill.survivors")
def test_a_process_of_another_user_is_named_as_that(nobody: Nobody, liveness: Liveness) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give another user a program that becomes root")
    become_root = nobody.home / "become-root"
    shutil.copy(shutil.which("setpriv") or "", become_root)
    become_root.chmod(0o4755)
    command = f"{become_root} --reuid=0 --regid=0 --clear-groups {liveness.holder('root')}"
    with nobody.start(_KILL_TWICE, command) as process:
        liveness.expect("root")
        first, second = _told(process, 2)
        pid = first.split()[0]
        liveness.end_all()
        (last,) = _told(process, 1)

    assert f"survived SIGKILL: {pid} (of user 0, whose processes this user may not signal)" in first
    assert second == first
    assert last in ("killed", "already_terminated")


def _told(process: subprocess.Popen[str], count: int) -> list[str]:
    """Let it go on, and return the lines that it prints."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return [process.stdout.readline().strip() for _ in range(count)]
