"""Processes that fork and end faster than they can be listed, and have no living runner: none survives a kill."""

from __future__ import annotations

import os
import signal

import pytest

from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.survival.support import cannot_wake, exit_of, kill_and_wait, runner_of, start

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


@pytest.mark.requirement("kill.forking_without_runner")
@pytest.mark.parametrize("form", _FORMS)
async def test_forkers_do_not_survive_the_sweep_after_their_runner(
    manager: JobManager, state_dir: str, liveness: Liveness, form: str
) -> None:
    job = await start(manager, "exec " + liveness.script("chain", _FORMS[form]))
    liveness.expect("chain")
    liveness.wait_received("chain", b"far")
    kill_and_wait(runner_of(state_dir, job.job_id))

    killed = await manager.kill(job.job_id, by="test")

    liveness.assert_dead()  # forks share the socket: it is closed when the last of them is dead
    record = exit_of(state_dir, job.job_id)
    assert (killed.status, record.outcome, record.survivors, record.is_certain) == ("killed", "lost", [], True)


@pytest.mark.requirement("kill.forking_without_runner")
async def test_forkers_do_not_survive_a_runner_that_cannot_be_woken(
    manager: JobManager, state_dir: str, liveness: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.executors.local.cancelling.wake", cannot_wake)
    job = await start(manager, "exec " + liveness.script("chain", _FORMS["in one session"]))
    liveness.expect("chain")
    liveness.wait_received("chain", b"far")
    os.kill(runner_of(state_dir, job.job_id), signal.SIGSTOP)

    killed = await manager.kill(job.job_id, by="test", grace_s=0)

    liveness.assert_dead()
    assert killed.status == "killed"
