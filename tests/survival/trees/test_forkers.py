"""Processes that fork and end faster than they can be listed, and have no living runner: none survives a kill."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys

import pytest

from mcp_background_job.errors import SurvivorsError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, JobDir
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.patience import PATIENCE_S
from tests.survival.support import cannot_wake, directory_of, ended, exit_of, kill_and_wait, runner_of, start, status_of

pytestmark = pytest.mark.real_process

#: Each generation lives for so long. A look at all processes takes longer.
_LIFE_S = 0.005

#: Generations at most, so that it ends whatever goes wrong.
_GENERATIONS = 2000

_CHAIN = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sock = connect("chain")
for _ in range({{breadth}} - 1):
    if os.fork() == 0:
        break
for step in range({_GENERATIONS}):
    if os.fork():
        os._exit(0)
    {{leave}}
    signal.alarm(60)
    time.sleep({_LIFE_S})
    if step == 20:
        sock.sendall(b"far")
"""

_FORMS = {
    "in one session": _CHAIN.format(breadth=1, leave="pass"),
    "three at a time in ever new sessions": _CHAIN.format(breadth=3, leave="os.setsid()"),
}


def one_with_the_cookie_of(job: JobDir) -> subprocess.Popen[bytes]:
    spec = records.read(Spec, job.spec)
    assert spec
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], env={COOKIE_VARIABLE: spec.cookie})


async def killed_for_certain(manager: JobManager, job_id: str) -> None:
    """Kill a job; kill it again, as the error says, if the machine is too busy to be certain that nothing is left."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await manager.kill(job_id, by="test", grace_s=0)
            except SurvivorsError as error:
                if error.pids:
                    raise
            else:
                return


@pytest.mark.requirement("kill.forking_without_runner")
@pytest.mark.parametrize("form", _FORMS)
async def test_forkers_do_not_survive_the_sweep_after_their_runner(
    manager: JobManager, state_dir: str, liveness: Liveness, form: str
) -> None:
    job = await start(manager, "exec " + liveness.script("chain", _FORMS[form]))
    liveness.expect("chain")
    liveness.wait_received("chain", b"far")
    kill_and_wait(runner_of(state_dir, job.job_id))

    await killed_for_certain(manager, job.job_id)

    liveness.assert_dead()  # forks share the socket: it is closed when the last of them is dead
    record = exit_of(state_dir, job.job_id)
    assert (record.outcome, record.survivors) == ("lost", [])


@pytest.mark.requirement("kill.forking_without_runner")
async def test_forkers_do_not_survive_a_runner_that_cannot_be_woken(
    manager: JobManager, state_dir: str, liveness: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.executors.local.cancelling.wake", cannot_wake)
    job = await start(manager, "exec " + liveness.script("chain", _FORMS["in one session"]))
    liveness.expect("chain")
    liveness.wait_received("chain", b"far")
    os.kill(runner_of(state_dir, job.job_id), signal.SIGSTOP)

    await killed_for_certain(manager, job.job_id)

    liveness.assert_dead()
    assert exit_of(state_dir, job.job_id).outcome == "killed"


@pytest.mark.requirement("kill.forking_without_runner")
async def test_a_kill_that_was_not_certain_is_made_certain_by_the_next(manager: JobManager, state_dir: str) -> None:
    job = await ended(manager, await start(manager, "true"))
    directory = directory_of(state_dir, job.job_id)
    end = dataclasses.replace(exit_of(state_dir, job.job_id), outcome="lost", is_certain=False)
    records.write(directory.exit, records.encode(end))
    missed = one_with_the_cookie_of(directory)

    killed = await manager.kill(job.job_id, by="test")

    assert missed.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    assert killed.status == "killed"
    assert (await manager.kill(job.job_id, by="test")).status == "already_terminated"


@pytest.mark.requirement("kill.forking_without_runner")
async def test_a_kill_that_was_not_certain_on_another_machine_is_not_made_certain_here(
    manager: JobManager, state_dir: str
) -> None:
    job = await ended(manager, await start(manager, "true"))
    directory = directory_of(state_dir, job.job_id)
    end = dataclasses.replace(exit_of(state_dir, job.job_id), outcome="lost", is_certain=False)
    records.write(directory.exit, records.encode(end))
    status = dataclasses.replace(status_of(state_dir, job.job_id), machine="another")
    records.write(directory.status, records.encode(status))

    with pytest.raises(SurvivorsError, match="not certain"):
        await manager.kill(job.job_id, by="test")
