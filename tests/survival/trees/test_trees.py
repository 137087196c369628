"""Killing: whatever a job has made of itself, the answer comes when nothing of it is left, and not before."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mcp_background_job.core.job import Job, JobChoice
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.patience import PATIENCE_S
from tests.survival.support import another_manager, ended, exit_of, start

pytestmark = pytest.mark.real_process


FORMS = {
    "grandchild in its own session": "fork_into(os.setsid, lambda: connect('child'))",
    "daemon by double fork": "daemon(lambda: connect('child'))",
    "child that ignores TERM": "fork_into(ignore, lambda: connect('child'))",
    "everybody ignores what can be ignored": "ignore(1, 2, 3, 15)\nfork_into(os.setsid, lambda: connect('child'))",
    "stopped child": (
        "fork_into(lambda: connect('child'), lambda: os.kill(os.getpid(), signal.SIGSTOP))\n"
        "os.waitpid(-1, os.WUNTRACED)"
    ),
    "stopped leader": "fork_into(lambda: connect('child'))\nos.kill(os.getpid(), signal.SIGSTOP)",
    "child in another group": "fork_into(lambda: os.setpgid(0, 0), lambda: connect('child'))",
    "child without the environment, in its own session": "fork_into(os.setsid, lambda: bare('child'))",
    "orphan without the environment, in its own session": "daemon(lambda: bare('child'))",
}


@pytest.mark.requirement("kill.every_descendant")
@pytest.mark.parametrize("form", FORMS)
async def test_a_kill_is_answered_when_every_process_is_dead(
    manager: JobManager, liveness: Liveness, form: str
) -> None:
    job = await start(manager, "exec " + liveness.script("tree", f"connect('leader')\n{FORMS[form]}\nhang()\n"))
    liveness.expect("leader", "child")

    killed = await manager.kill(job.job_id, by="test", grace_s=0.3)

    liveness.assert_dead("leader", "child")
    assert killed.status == "killed"
    assert killed.job
    assert killed.job.status == "killed"


@pytest.mark.requirement("kill.every_descendant")
@pytest.mark.requirement("states.left_running")
@pytest.mark.parametrize("left", ["{} &", "setsid {} &", "(setsid {} &) ;"])
async def test_what_the_shell_left_behind_is_still_the_job_and_dies_with_it(
    manager: JobManager, liveness: Liveness, left: str
) -> None:
    job = await start(manager, left.format(liveness.holder("left")) + " exit 7")
    liveness.expect("left")
    details = await manager.details(job.job_id)
    while details.seen.status is None or details.seen.status.leader_exit is None:
        details = await manager.details(job.job_id)

    assert details.job.status == "running"
    assert details.seen.status.leader_exit.exit_code == 7
    assert details.usage
    assert details.usage.processes == 1
    liveness.assert_alive("left")

    assert (await manager.kill(job.job_id, by="test")).status == "killed"
    liveness.assert_dead("left")
    assert (await manager.find(job.job_id)).exit_code == 7


@pytest.mark.requirement("states.left_running")
async def test_a_job_is_over_when_the_last_process_it_left_behind_is(
    manager: JobManager, liveness: Liveness, tmp_path: Path
) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    body = f"connect('left')\nopen({str(fifo)!r}).read()\n"
    job = await start(manager, liveness.script("left", body) + " & exit 3")
    liveness.expect("left")
    assert (await manager.find(job.job_id)).status == "running"

    await asyncio.to_thread(fifo.write_text, "go\n")

    now = await ended(manager, job)
    assert (now.status, now.exit_code) == ("failed", 3)
    liveness.assert_dead("left")


@pytest.mark.requirement("kill.forking")
async def test_a_process_that_forks_a_successor_when_it_is_told_to_end_does_not_escape(
    manager: JobManager, liveness: Liveness
) -> None:
    body = """
left = 20

def replace_me(number, frame):
    global left
    left -= 1
    if left and os.fork() == 0:
        os.setsid()
        disconnect()
        connect("phoenix")
        return
    os._exit(0)

signal.signal(signal.SIGTERM, replace_me)
connect("phoenix")
hang()
"""
    job = await start(manager, "exec " + liveness.script("phoenix", body))
    liveness.expect("phoenix")

    killed = await manager.kill(job.job_id, by="test", grace_s=0.3)

    liveness.assert_dead()
    assert killed.status == "killed"


@pytest.mark.requirement("kill.forking")
async def test_a_chain_of_forks_in_ever_new_sessions_does_not_escape(manager: JobManager, liveness: Liveness) -> None:
    # Each process leaves a child in a new session and ends: there is never one to be caught twice. At most 20,000.
    body = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sock = connect("chain")
for step in range(20000):
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.alarm(60)
    if step == 50:
        sock.sendall(b"far")
"""
    job = await start(manager, "exec " + liveness.script("chain", body))
    liveness.expect("chain")
    liveness.wait_received("chain", b"far")

    killed = await manager.kill(job.job_id, by="test", grace_s=0.1)

    liveness.assert_dead()  # forks share the socket: it is closed when the last of them is dead
    assert killed.status == "killed"


@pytest.mark.requirement("kill.forking")
async def test_a_small_swarm_of_forkers_does_not_escape(manager: JobManager, liveness: Liveness) -> None:
    # Sixteen processes keep replacing themselves: at most 16 x 2,000 forks, 32 alive at once.
    body = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sock = connect("swarm")
for _ in range(15):
    if os.fork() == 0:
        break
for step in range(2000):
    if os.fork():
        os._exit(0)
    signal.alarm(60)
    if step == 20:
        sock.sendall(b"far")
hang()
"""
    job = await start(manager, "exec " + liveness.script("swarm", body))
    liveness.expect("swarm")
    liveness.wait_received("swarm", b"far")

    killed = await manager.kill(job.job_id, by="test", grace_s=0)

    liveness.assert_dead()
    assert killed.status == "killed"


@pytest.mark.requirement("kill.signal")
@pytest.mark.parametrize(("name", "code"), [("INT", 42), ("USR1", 43), ("HUP", 44)])
async def test_a_trap_for_the_chosen_signal_is_honoured_and_its_exit_code_kept(
    manager: JobManager, liveness: Liveness, name: str, code: int
) -> None:
    body = (
        f"signal.signal(signal.SIG{name}, lambda *_: (print('cleaned up', flush=True), os._exit({code})))\n"
        "connect('leader')\nhang()\n"
    )
    job = await start(manager, "exec " + liveness.script("leader", body))
    liveness.expect("leader")

    killed = await manager.kill(job.job_id, by="test", signal=name, grace_s=10)

    liveness.assert_dead("leader")
    assert killed.job
    assert (killed.status, killed.job.status, killed.job.exit_code) == ("killed", "killed", code)
    assert manager.places.store_of(job.job_id).read_log(job.job_id, 0, 100).data == b"cleaned up\n"


@pytest.mark.requirement("kill.grace")
async def test_a_process_that_needs_its_grace_period_gets_it(manager: JobManager, liveness: Liveness) -> None:
    body = (
        "def end(*_):\n    time.sleep(0.5)\n    os._exit(9)\nsignal.signal(signal.SIGTERM, end)\n"
        "connect('leader')\nhang()\n"
    )
    job = await start(manager, "exec " + liveness.script("leader", body))
    liveness.expect("leader")

    killed = await manager.kill(job.job_id, by="test", grace_s=10)

    assert killed.job
    assert killed.job.exit_code == 9
    liveness.assert_dead("leader")


@pytest.mark.requirement("kill.grace")
async def test_one_that_ignores_the_signal_gets_sigkill_when_the_grace_period_is_over(
    manager: JobManager, liveness: Liveness, state_dir: str
) -> None:
    job = await start(manager, "exec " + liveness.script("leader", "ignore()\nconnect('leader')\nhang()\n"))
    liveness.expect("leader")

    killed = await manager.kill(job.job_id, by="test", grace_s=0.7)

    liveness.assert_dead("leader")
    assert killed.job
    assert killed.job.signal == "SIGKILL"
    record = exit_of(state_dir, job.job_id)
    assert record.stop_requested
    assert 0.7 <= record.ended_at - record.stop_requested.at < 5


@pytest.mark.requirement("kill.grace")
async def test_a_second_kill_can_shorten_the_grace_period_and_both_are_answered(
    manager: JobManager, liveness: Liveness
) -> None:
    job = await start(
        manager,
        "exec "
        + liveness.script(
            "leader",
            "sock = connect('leader')\nsignal.signal(signal.SIGTERM, lambda *_: sock.sendall(b'T'))\n"
            "while True: signal.pause()\n",
        ),
    )
    liveness.expect("leader")
    first = asyncio.create_task(manager.kill(job.job_id, by="patient", grace_s=60))
    await asyncio.to_thread(liveness.wait_received, "leader", b"T")

    second = await manager.kill(job.job_id, by="impatient", signal="KILL")

    liveness.assert_dead("leader")
    assert second.status == "killed"
    async with asyncio.timeout(PATIENCE_S):
        assert (await first).status == "killed"


@pytest.mark.requirement("kill.already_terminated")
async def test_killing_an_ended_job_says_so_and_changes_nothing(manager: JobManager) -> None:
    job = await ended(manager, await start(manager, "exit 5"))

    again = await manager.kill(job.job_id, by="test")

    assert (again.status, again.job) == ("already_terminated", job)


@pytest.mark.requirement("kill.not_found")
async def test_killing_an_unknown_job_says_not_found(manager: JobManager) -> None:
    assert (await manager.kill("jnope", by="test")).status == "not_found"


@pytest.mark.requirement("kill.queued")
async def test_a_queued_job_is_withdrawn_and_never_runs(state_dir: str, liveness: Liveness) -> None:
    with another_manager(state_dir, max_jobs=1) as manager:
        first = await start(manager, liveness.holder("first"))
        second = await start(manager, f"touch {state_dir}/it-ran")
        third = await start(manager, f"touch {state_dir}/third-ran")
        assert (await manager.find(second.job_id)).status == "queued"

        assert (await manager.kill(second.job_id, by="test")).status == "killed"

        assert (await manager.kill(first.job_id, by="test")).status == "killed"
        assert (await ended(manager, third)).status == "completed"
        withdrawn = await manager.find(second.job_id)
        assert (withdrawn.status, withdrawn.started_at) == ("killed", None)
        assert "withdrawn from the queue" in withdrawn.reason
        assert "it-ran" not in os.listdir(state_dir)


@pytest.mark.requirement("kill.many_at_once")
async def test_many_kill_and_restart_the_same_job_at_once_and_nothing_is_left(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    first = await start(manager, liveness.holder("proc"), name="same")
    liveness.expect("proc")
    with another_manager(state_dir) as second, another_manager(state_dir) as third:
        answers = await asyncio.gather(
            manager.kill(first.job_id, by="a"),
            second.kill(first.job_id, by="b"),
            third.kill(first.job_id, by="c"),
            manager.restart(first.job_id, client="d"),
            second.restart(first.job_id, client="e"),
            third.restart(first.job_id, client="f"),
            return_exceptions=True,
        )
        assert not [answer for answer in answers if isinstance(answer, BaseException)]
        assert (await third.find(first.job_id)).status == "killed"
        alive = await third.list(JobChoice(statuses=("running", "queued")))
        for job in alive:
            assert (await third.kill(job.job_id, by="test")).status == "killed"
    liveness.assert_dead()


def slowly(find: Callable[[str, str], Awaitable[Job | None]]) -> Callable[[str, str], Awaitable[Job | None]]:
    """Give others time to start what was looked for and not found."""

    async def find_slowly(name: str, project: str) -> Job | None:
        found = await find(name, project)
        await asyncio.sleep(0.2)
        return found

    return find_slowly


@pytest.mark.requirement("start.name")
async def test_of_two_starts_of_one_name_at_once_one_starts_and_the_other_returns_it(
    manager: JobManager, state_dir: str, liveness: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_manager(state_dir) as second:
        for each in (manager, second):
            monkeypatch.setattr(each.index, "newest_named", slowly(each.index.newest_named))
        started = await asyncio.gather(
            *(start(either, liveness.holder("dev"), name="dev-server") for either in (manager, second) * 2)
        )
        running = await second.list(JobChoice(statuses=("running",)))
        for job in running:
            await manager.kill(job.job_id, by="test", signal="KILL")
        assert len(running) == 1
        assert {job.job_id for job in started} == {running[0].job_id}


@pytest.mark.requirement("timeout.no_server")
async def test_the_runner_keeps_the_time_limit_when_no_server_is_left(state_dir: str, liveness: Liveness) -> None:
    with another_manager(state_dir) as manager:
        job = await start(
            manager,
            "exec " + liveness.script("leader", "connect('leader')\nfork_into(lambda: connect('child'))\nhang()\n"),
            timeout_s=5,
        )
        liveness.expect("leader", "child")
    liveness.wait_dead("leader", "child")
    with another_manager(state_dir) as later:
        now = await ended(later, job.job_id)
        assert (now.status, now.signal) == ("timed_out", "SIGTERM")
        assert "time limit of 5 s" in now.reason


@pytest.mark.requirement("kill.truth")
async def test_a_job_that_ended_by_itself_is_not_called_killed(manager: JobManager) -> None:
    for _ in range(10):
        job = await start(manager, "exit 0")
        killed = await manager.kill(job.job_id, by="test")
        assert killed.job
        assert killed.status == ("killed" if killed.job.status == "killed" else "already_terminated")
        assert killed.job.status in ("completed", "killed")


@pytest.mark.requirement("kill.bad_signal")
async def test_a_signal_that_does_not_end_anything_is_refused(manager: JobManager, liveness: Liveness) -> None:
    job = await start(manager, liveness.holder("leader"))
    liveness.expect("leader")
    with pytest.raises(Exception, match="signal 'STOP' stops no job: give one of TERM"):
        await manager.kill(job.job_id, by="test", signal="STOP")
    liveness.assert_alive("leader")
    assert (await manager.kill(job.job_id, by="test", signal="SIGKILL")).status == "killed"
    assert (await manager.find(job.job_id)).signal == signal.SIGKILL.name
