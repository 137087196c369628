"""Signals that are to stop nothing: a server reloads, a job is suspended and goes on."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.errors import InvalidRequestError, JobEndedError
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest, signal_to_send
from mcp_background_job.runner.family.meant import handles
from mcp_background_job.runner.spawn import spawn
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
    with pytest.raises(InvalidRequestError, match=r"SIGUSR2 was not sent: no process of job .* handle it"):
        await manager.signal_handlers(job, signal.SIGUSR2)
    liveness.assert_alive("server")
    assert (await manager.find(job.job_id)).status == "running"
    assert (await manager.kill(job.job_id, by="test")).status == "killed"
    with pytest.raises(JobEndedError, match=r"takes no signal: it is killed|ended before SIGHUP reached it"):
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


async def test_what_nobody_handles_is_not_sent_however_polite_it_is(manager: JobManager, liveness: Liveness) -> None:
    job = await start(manager, "exec " + liveness.script("server", 'connect("server")\nhang()\n'))
    liveness.expect("server")

    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGALRM):
        with pytest.raises(InvalidRequestError, match=f"{number.name} was not sent: no process of job"):
            await manager.signal_handlers(job, number)

    assert await manager.signal_handlers(job, signal.SIGCHLD)
    liveness.assert_alive("server")
    await manager.kill(job.job_id, by="test")


@pytest.mark.parametrize("name", ["bash", "zsh"])
async def test_a_shell_that_asks_for_a_signal_in_order_to_end_does_not_handle_it(
    name: str, manager: JobManager, liveness: Liveness
) -> None:
    shell = shutil.which(name)
    if shell is None:
        pytest.skip(f"{name} is not installed")
    command = f"trap 'echo over' EXIT; {liveness.holder('server')} | cat; :"
    job = (await manager.start(StartRequest(command=command, shell=(shell,)))).job  # noqa: S604  it names a shell
    liveness.expect("server")

    with pytest.raises(InvalidRequestError, match="was not sent: no process"):
        await manager.signal_handlers(job, signal.SIGHUP)

    liveness.assert_alive("server")
    await manager.kill(job.job_id, by="test")


#: Where nobody says what else to do: as a shell leaves them to what it runs in the background, and then some.
_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGUSR1, signal.SIGALRM, signal.SIGPIPE)


@pytest.fixture
def ignoring() -> Generator[None]:
    """As in a program that a shell has started in the background, and another has blocked a signal for."""
    before = [signal.signal(number, signal.SIG_IGN) for number in _IGNORED]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    for number, handler in zip(_IGNORED, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("ignoring")
@pytest.mark.parametrize("stdin", ["closed", "pipe", "pty"])
def test_a_job_ignores_and_blocks_nothing_whatever_started_its_runner(
    stdin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # as spawn does
    argv = ["/bin/cat", "/proc/self/status"]
    spec = Spec("j", "", argv, str(tmp_path), {}, 0.0, "", 1, 1, stdin=stdin)
    child = spawn(spec)
    try:
        os.waitpid(child.pid, 0)
        (output, *_) = [number for number, stream in child.outputs.items() if stream is Stream.STDOUT]
        told = dict(line.split(":", 1) for line in os.read(output, 65536).decode().splitlines())
    finally:
        for descriptor in {*child.outputs, *([] if child.stdin is None else [child.stdin])}:
            os.close(descriptor)
    # The C library has two signals of its own.
    assert [int(told[which], 16) & 0x7FFFFFFF for which in ("SigIgn", "SigBlk")] == [0, 0]


def _set_of(*numbers: signal.Signals) -> int:
    return sum(1 << (number - 1) for number in numbers)


#: What bash asks for as soon as it has an EXIT trap.
_BASH_ENDS_BY = _set_of(signal.SIGILL, signal.SIGVTALRM, signal.SIGXCPU, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM)


@pytest.mark.parametrize(
    ("name", "caught", "number", "does"),
    [
        ("nginx", _set_of(signal.SIGWINCH, signal.SIGUSR2), signal.SIGUSR2, True),
        ("nginx", _set_of(signal.SIGWINCH, signal.SIGUSR2), signal.SIGUSR1, False),
        ("nginx", 0, signal.SIGTERM, False),
        ("bash", _set_of(signal.SIGUSR1), signal.SIGUSR1, True),
        ("bash", _BASH_ENDS_BY, signal.SIGUSR1, False),
        ("sh", _BASH_ENDS_BY, signal.SIGHUP, False),
        ("caddy", _BASH_ENDS_BY, signal.SIGHUP, True),  # Go asks for all signals
        ("zsh", _set_of(signal.SIGHUP), signal.SIGHUP, False),
        ("zsh", _set_of(signal.SIGHUP, signal.SIGUSR1), signal.SIGUSR1, True),
    ],
)
def test_whether_a_process_goes_on_after_a_signal(name: str, caught: int, number: int, *, does: bool) -> None:
    assert handles(name, caught, number) is does


@pytest.mark.parametrize("signal_only", [None, False])
def test_a_stop_needs_no_signal_to_be_named(*, signal_only: bool | None) -> None:
    assert signal_to_send(None, signal_only=signal_only) is None


def test_a_signal_that_is_to_stop_nothing_has_to_be_named() -> None:
    with pytest.raises(InvalidRequestError, match="give signal"):
        signal_to_send(None, signal_only=True)
