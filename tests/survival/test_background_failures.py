"""A background process that fails is told by the runner that inherits it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.patience import PATIENCE_S, wait_until
from tests.survival.support import ended, exit_of, output_of, start, status_of

pytestmark = pytest.mark.real_process

#: Ends when the shell itself is over.
LEFT = WaitRequest(until=Until(Kind.EXIT), wait_s=PATIENCE_S, from_start=True)


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


async def test_a_failure_behind_an_exit_code_of_0_is_told_with_the_command(
    manager: JobManager, state_dir: str, tmp_path: Path
) -> None:
    code = "import sys; open('up', 'w'); sys.stdin.read(); sys.exit(7)"
    command = f"{python(code)} <&0 & until [ -e up ]; do sleep 0.01; done"
    job = await start(manager, command, stdin="pipe", cwd=str(tmp_path))
    await manager.wait(job, LEFT)
    await manager.send_input(job, b"", eof=True)

    end = await ended(manager, job.job_id)

    assert end.status == "completed"
    (failure,) = exit_of(state_dir, job.job_id).failures
    assert (failure.exit_code, failure.signal) == (7, None)
    assert failure.command == f"{sys.executable} -c {code}"
    assert end.reason.startswith(f"background process {failure.pid} (`{sys.executable[:20]}")
    assert end.reason.endswith("exited 7")


async def test_a_subshell_is_not_named_by_the_whole_command(manager: JobManager) -> None:
    job = await start(manager, "(read -r _; exit 4) <&0 & echo started", stdin="pipe")
    await manager.wait(job, LEFT)
    await manager.send_input(job, b"go\n")

    end = await ended(manager, job.job_id)

    assert end.reason.endswith("(`a subshell`) exited 4")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("sh -c 'exit 4' & wait $!; true", [("sh -c 'exit 4'", 4)]),
        ("no-such-program 2> /dev/null & wait $!; echo up", [("no-such-program 2> /dev/null", 127)]),
        ("set -euxC; (exit 5) & x=$!; wait $x || exit 0", [("(exit 5)", 5)]),
        ("for i in 0 1 2; do (exit $i) & wait $! || true; done; [ 1 = 1 ]", [("", 2)]),
        ("true & x=$!; false & wait $x $! || echo up", [("false", 1)]),
    ],
)
async def test_bash_tells_of_what_it_has_reaped_itself(
    manager: JobManager, state_dir: str, command: str, told: list[tuple[str, int]]
) -> None:
    job = (await manager.start(StartRequest(command=command, shell=("/bin/bash",)))).job  # noqa: S604  its name

    end = await ended(manager, job.job_id)

    assert end.status == "completed"
    failures = exit_of(state_dir, job.job_id).failures
    assert [(one.command, one.exit_code) for one in failures] == told
    sentences = [f" (`{name}`) exited {code}" if name else f" exited {code}" for name, code in told]
    assert all(sentence in end.reason for sentence in sentences)


async def test_each_of_several_is_told_once_whoever_has_reaped_it(manager: JobManager, state_dir: str) -> None:
    # Bash may end before the first of them does, and leave it to the runner.
    command = "f() { (exit 6) & }; (exit 5) & f; wait $! || echo up"
    job = (await manager.start(StartRequest(command=command, shell=("/bin/bash",)))).job  # noqa: S604  its name

    assert (await ended(manager, job.job_id)).status == "completed"

    assert sorted(one.exit_code or 0 for one in exit_of(state_dir, job.job_id).failures) == [5, 6]


async def test_of_several_the_live_job_tells_the_first_at_once(manager: JobManager, state_dir: str) -> None:
    job = await start(manager, "(read -r _; kill -ABRT $BASHPID) <&0 & sleep 600 & exit 0", stdin="pipe")
    await manager.wait(job, LEFT)
    await manager.send_input(job, b"go\n")

    wait_until(lambda: bool(status_of(state_dir, job.job_id).failures), "the failure is published")

    assert status_of(state_dir, job.job_id).failures[0].signal == "SIGABRT"
    await manager.kill(job.job_id, by="test")


#: Ends as sudo does on a terminal: what it has watch that outlives it, and exits with 1.
SUDO = f"""#!{sys.executable}
import os, select
reading, writing = os.pipe()
if os.fork() == 0:
    os.close(writing)
    os.setsid()
    select.select([reading], [], [])
    os._exit(1)
"""


@pytest.mark.parametrize(
    "command",
    ["./sudo; true", "timeout -s KILL 0.1 sh -c 'sh -c \"sleep 600; :\"; :'; true", "grep x < /dev/null & exit 0"],
)
async def test_what_was_in_the_foreground_or_said_no_has_not_failed_in_the_background(
    manager: JobManager, state_dir: str, command: str, tmp_path: Path
) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    job = await start(manager, command, cwd=str(tmp_path))

    end = await ended(manager, job.job_id)

    assert (end.status, exit_of(state_dir, job.job_id).failures) == ("completed", [])


async def test_what_we_end_ourselves_has_not_failed(manager: JobManager, state_dir: str) -> None:
    obstinate = python(
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(9)); print(1, flush=True); time.sleep(600)"
    )
    job = await start(manager, f"{obstinate} & exit 0")
    wait_until(lambda: output_of(manager, job.job_id) == b"1\n", "it has taken the signal to itself")

    await manager.kill(job.job_id, by="test")

    assert exit_of(state_dir, job.job_id).failures == []
