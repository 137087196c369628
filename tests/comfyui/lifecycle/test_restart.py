"""A ComfyUI that somebody else has started is killed with all its children and comes back as it was, however stuck."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, JOB_ID_VARIABLE
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.lifecycle.lifecycle_support import (
    CHECKOUT,
    a_checkout,
    children_of,
    control_of,
    run_to_its_end,
    stuck,
    the_listener,
    wait_running,
    watching,
)
from tests.comfyui.talk import ask, submit, wait_until_silent
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import wait_until

pytestmark = pytest.mark.real_process

#: Ours, and what a shell sets for itself on the way.
_ADDED = {JOB_ID_VARIABLE, COOKIE_VARIABLE, "PWD", "OLDPWD", "SHLVL", "_"}


def _asleep(simulator: Simulator) -> None:
    wait_running(simulator, submit(simulator, stuck()))


def _interpreter_held(simulator: Simulator) -> None:
    submit(simulator, graphs.gil_hold(250))
    wait_until_silent(simulator)


def _stopped(simulator: Simulator) -> None:
    simulator.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, simulator.pid, os.WSTOPPED | os.WNOWAIT)


def _dead_worker(simulator: Simulator) -> None:
    before = _threads(simulator)
    submit(simulator, graphs.sys_exit())
    wait_until(lambda: len(_threads(simulator)) < len(before), "the worker's end")


def _threads(simulator: Simulator) -> list[str]:
    return os.listdir(f"/proc/{simulator.pid}/task")


def _deaf_to_sigterm(simulator: Simulator) -> None:
    run_to_its_end(simulator, graphs.ignore_sigterm())


def _healthy(_simulator: Simulator) -> None:
    return


_STATES: dict[str, Callable[[Simulator], None]] = {
    "healthy": _healthy,
    "asleep": _asleep,
    "interpreter held": _interpreter_held,
    "stopped": _stopped,
    "dead worker": _dead_worker,
    "deaf to SIGTERM": _deaf_to_sigterm,
}


@pytest.mark.parametrize("state", _STATES)
async def test_in_whatever_state_it_is_restarted_with_nothing_of_the_old_one_left(
    tmp_path: Path, manager: JobManager, state: str
) -> None:
    own = {"CUDA_VISIBLE_DEVICES": "7", "ODD": "a b\n'c'\"$x", "__COMFY_CLI_SESSION__": str(tmp_path / "session")}
    with a_checkout(tmp_path, env=own) as simulator:
        run_to_its_end(simulator, graphs.spawn_child(ignore_sigterm=True))
        run_to_its_end(simulator, graphs.spawn_child(ignore_sigterm=True, new_session=True))
        old = psutil.Process(simulator.pid)
        argv, environment = old.cmdline(), old.environ()
        _STATES[state](simulator)
        with watching(simulator.pid, *children_of(simulator)) as watched:
            assert len(watched) == 3
            async with control_of(manager, simulator.port) as control:
                outcome = await control.restart(force=state != "healthy")

                assert [process.pid for process in watched if not process.is_dead()] == []
                assert outcome.status == "restarted"
                assert outcome.old_pid == simulator.pid
                assert set(outcome.stopped) == {process.pid for process in watched}
                assert ask(simulator, "GET", "/queue").json == {"queue_running": [], "queue_pending": []}
                new = psutil.Process(the_listener(simulator.port))
                assert outcome.pid == new.pid != simulator.pid
                assert new.cmdline() == argv
                assert argv[0] == sys.executable  # of the virtual environment, and no resolved link
                assert new.cwd() == str(CHECKOUT)
                now = new.environ()
                assert {key: now[key] for key in now if key not in _ADDED} == {
                    key: environment[key] for key in environment if key not in _ADDED and key != "__COMFY_CLI_SESSION__"
                }
                assert now["CUDA_VISIBLE_DEVICES"] == "7"
                assert "PYTHONUNBUFFERED" not in now
                assert "__COMFY_CLI_SESSION__" not in now


async def test_a_restarted_one_is_our_job_and_can_be_restarted_again(tmp_path: Path, manager: JobManager) -> None:
    with a_checkout(tmp_path) as simulator:
        argv = psutil.Process(simulator.pid).cmdline()
        async with control_of(manager, simulator.port) as control:
            first = await control.restart()
            assert first.job_id is not None
            run_to_its_end(simulator, graphs.spawn_child(ignore_sigterm=True, new_session=True))
            wait_running(simulator, submit(simulator, stuck()))
            assert first.pid is not None
            with watching(first.pid, *children_of(simulator)) as watched:
                second = await control.restart(force=True)
                assert [process.pid for process in watched if not process.is_dead()] == []
            assert (second.status, second.old_pid) == ("restarted", first.pid)
            assert second.job_id not in (None, first.job_id)
            assert (await manager.find(first.job_id)).status == "killed"
            assert psutil.Process(the_listener(simulator.port)).cmdline() == argv
