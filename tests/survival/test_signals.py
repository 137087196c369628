"""Signals that are to stop nothing: a server reloads, a job is suspended and goes on."""

from __future__ import annotations

import signal

import pytest

from mcp_background_job.errors import InvalidRequestError, JobEndedError
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.survival.support import ended, output_of, printed, start

pytestmark = pytest.mark.real_process

#: A server behind a shell that waits for it and does nothing about signals.
RELOADS = """
def reload(number, _):
    print("reloaded", number, flush=True)
signal.signal(signal.SIGHUP, reload)
connect("server")
hang()
"""


@pytest.mark.requirement("kill.signal_only")
async def test_a_signal_reaches_the_server_behind_the_shell_and_stops_nothing(
    manager: JobManager, liveness: Liveness
) -> None:
    job = await start(manager, f"cd /\n{liveness.script('server', RELOADS)}\necho over")
    liveness.expect("server")

    (pid,) = await manager.signal_handlers(job, signal.SIGHUP)

    assert pid
    await printed(manager, job, f"reloaded {signal.SIGHUP.value}")
    liveness.assert_alive("server")
    with pytest.raises(InvalidRequestError, match=r"no process of job .* handles SIGUSR2"):
        await manager.signal_handlers(job, signal.SIGUSR2)
    liveness.assert_alive("server")
    assert (await manager.find(job.job_id)).status == "running"
    assert (await manager.kill(job.job_id, by="test")).status == "killed"
    with pytest.raises(JobEndedError, match="takes no signal: it is killed"):
        await manager.signal_handlers(job, signal.SIGHUP)


async def test_a_job_is_suspended_and_goes_on(manager: JobManager) -> None:
    job = await start(manager, "echo up; read line; echo got $line", stdin="pipe")
    await printed(manager, job, "up")

    assert await manager.signal_handlers(job, signal.SIGSTOP)
    await manager.send_input(job, b"more\n")
    assert b"got" not in output_of(manager, job.job_id)
    assert await manager.signal_handlers(job, signal.SIGCONT)

    await printed(manager, job, "got more")
    assert (await ended(manager, job)).exit_code == 0


async def test_a_polite_end_is_not_followed_by_a_kill(manager: JobManager) -> None:
    job = await start(manager, "trap 'echo asked' TERM; echo up; read line; echo still here; read line", stdin="pipe")
    await printed(manager, job, "up")

    await manager.signal_handlers(job, signal.SIGTERM)

    await printed(manager, job, "asked")
    await manager.send_input(job, b"\n\n")
    assert (await ended(manager, job)).status == "completed"
