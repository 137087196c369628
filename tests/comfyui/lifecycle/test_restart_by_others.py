"""Where killing is not for us, the restart is left to whom it belongs to: a configured command, or ComfyUI-Manager."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import psutil
import pytest

from mcp_background_job.comfyui.lifecycle import lifecycle
from mcp_background_job.comfyui.process.supervision import Kind, Supervisor
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.processes.portrait import Portrait
from tests.comfyui.lifecycle.lifecycle_support import (
    CHECKOUT,
    Watched,
    a_checkout,
    control_of,
    queued,
    run_to_its_end,
    shorten_patience,
    stuck,
    the_listener,
    wait_running,
    watching,
)
from tests.comfyui.talk import ask, entry, running, submit, wait_until_silent
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import WAIT_S, wait_until

pytestmark = pytest.mark.real_process

_SERVICE = Supervisor(Kind.SERVICE, "comfyui", "sudo systemctl restart comfyui", "it belongs to the service comfyui")


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> None:
    """All processes belong to a service: the verdict alone is made up, since no service can be made here."""

    def verdict(_portrait: Portrait, *, my_uid: int) -> Supervisor:
        assert my_uid >= 0
        return _SERVICE

    monkeypatch.setattr(lifecycle, "who_supervises", verdict)


@pytest.mark.usefixtures("supervised")
@pytest.mark.parametrize(("manager_kind", "talkative"), [("execv", False), ("execv", True), ("old", False)])
async def test_a_supervised_one_is_restarted_by_its_manager_in_place(
    tmp_path: Path, manager: JobManager, manager_kind: str, *, talkative: bool
) -> None:
    with a_checkout(tmp_path, "--manager", manager_kind) as simulator, watching(simulator.pid) as [old]:
        if talkative:  # its log has been full for long, and moves on with every line
            for _ in range(350):
                ask(simulator, "POST", "/prompt", {})
        wait_running(simulator, submit(simulator, stuck()))
        waiting = submit(simulator, graphs.sleeping(0))
        async with control_of(manager, simulator.port) as control:
            outcome = await control.restart(force=True, requeue="pending")
            assert outcome.status == "restarted"
            assert outcome.pid == simulator.pid
            assert not old.is_dead()
            assert list(outcome.requeued) == [waiting]
            wait_until(lambda: entry(simulator, waiting) is not None, "the end of what waited")
            assert running(simulator) == []
            assert "restarting" in simulator.log().lower()


@pytest.mark.usefixtures("supervised")
async def test_a_supervised_one_without_a_manager_is_left_alone_and_the_command_is_named(
    tmp_path: Path, manager: JobManager
) -> None:
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [old]:
        async with control_of(manager, simulator.port) as control:
            for refused in (control.restart(force=True), control.stop(force=True)):
                refusal = await control.refusal(refused)
                assert "service comfyui" in refusal
                assert not old.is_dead()
            assert "sudo systemctl restart comfyui" in await control.refusal(control.restart(force=True))


@pytest.mark.usefixtures("supervised")
async def test_a_manager_that_cannot_hear_is_said_so_and_nothing_is_lost(
    tmp_path: Path, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_checkout(tmp_path, "--manager", "execv") as simulator, watching(simulator.pid) as [old]:
        async with control_of(manager, simulator.port) as control:
            run_to_its_end(simulator, graphs.sleeping(0))
            mine = await control.submit(graphs.gil_hold(250))
            wait_until_silent(simulator)
            shorten_patience(monkeypatch)  # from here on: the submission needs its time
            refusal = await control.refusal(control.restart(force=True, requeue="all"))
            assert "sudo systemctl restart comfyui" in refusal
            assert not old.is_dead()
            known = control.journal.get(mine)
            assert known is not None
            assert (known.end, known.requeue) == (None, False)  # not lost: it is still there


def _command_of(simulator: Simulator) -> str:
    """Return a command that does what a service manager does: kill it, start it again, and come back."""
    argv = psutil.Process(simulator.pid).cmdline()
    log, new = shlex.quote(str(simulator.log_path)), shlex.quote(str(simulator.directory / "new"))
    return (
        f"kill -9 {simulator.pid}; cd {CHECKOUT}; "
        f"{shlex.join(['setsid', *argv])} </dev/null >>{log} 2>&1 & echo $! > {new}"
    )


@pytest.mark.parametrize("leaves", ["stays", "ends"])
async def test_the_configured_command_restarts_it(tmp_path: Path, manager: JobManager, leaves: str) -> None:
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [old]:
        wait_running(simulator, submit(simulator, stuck()))
        waiting = submit(simulator, stuck())
        command = _command_of(simulator) + ("; wait" if leaves == "stays" else "")
        async with control_of(manager, simulator.port, restart_command=command) as control:
            try:
                outcome = await control.restart(force=True, requeue="pending")
                assert outcome.status == "restarted"
                assert old.is_dead()
                assert outcome.pid == the_listener(simulator.port)
                assert "COMFYUI_RESTART_COMMAND" in outcome.detail
                assert queued(simulator) == [waiting]
            finally:
                with Watched(int((simulator.directory / "new").read_text())) as new:
                    new.kill()


@pytest.mark.parametrize(("command", "said"), [("echo no such unit >&2; exit 5", "no such unit"), ("true", "")])
async def test_a_configured_command_that_restarts_nothing_loses_nothing(
    tmp_path: Path, manager: JobManager, command: str, said: str
) -> None:
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [old]:
        first = submit(simulator, stuck())
        wait_running(simulator, first)
        second = submit(simulator, stuck())
        async with control_of(manager, simulator.port, restart_command=command) as control:
            outcome = await control.restart(force=True, requeue="all", wait_s=WAIT_S if said else 1.5)
            assert outcome.took_s < WAIT_S / 2  # who has failed is not waited for
            assert outcome.status in ("failed", "requested")
            assert said in outcome.output
            assert not old.is_dead()
            await control.comfyui.status()
            assert queued(simulator) == [first, second]
            assert await control.state_of(second) == "pending"


#: Has a server log a line, again and again.
_NOISE = """\
import contextlib, signal, sys, urllib.request
signal.alarm(100)
while True:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(sys.argv[1] + "/prompt", b"{}")
"""


async def test_a_full_log_that_moves_on_is_not_taken_for_a_restart(tmp_path: Path, manager: JobManager) -> None:
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [old]:
        for _ in range(350):
            ask(simulator, "POST", "/prompt", {})
        command = f"exec {shlex.join([sys.executable, '-c', _NOISE, simulator.url])}"
        async with control_of(manager, simulator.port, restart_command=command) as control:
            outcome = await control.restart(force=True, wait_s=1.5)
            assert outcome.status == "requested"
            assert outcome.lost == ()
            assert not old.is_dead()
