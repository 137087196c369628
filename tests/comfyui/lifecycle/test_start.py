"""ComfyUI is started as a background job, once, and what came of it is said."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from mcp_background_job.comfyui.lifecycle.outcome import Outcome
from mcp_background_job.comfyui.process.startup import Settings, startup_of_settings
from mcp_background_job.comfyui.wire.endpoint import endpoint_of
from mcp_background_job.errors import LifecycleError
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.lifecycle.lifecycle_support import (
    CHECKOUT,
    a_checkout,
    control_of,
    shorten_patience,
    simulators,
    the_listener,
    watching,
)
from tests.comfyui_simulator.process import free_port
from tests.survival.support import Server, another_manager, ended, start

pytestmark = pytest.mark.real_process


def _command(port: int, directory: Path, *flags: str) -> str:
    """Return a command for the shell that starts a simulator."""
    output = ["--output-directory", str(directory / "output")]
    argv = [sys.executable, str(CHECKOUT / "main.py"), "--port", str(port), *output, "--startup-delay", "0", *flags]
    return f"exec {shlex.join(argv)}"


async def test_it_is_started_from_its_directory_with_its_own_python(tmp_path: Path, manager: JobManager) -> None:
    checkout = tmp_path / "ComfyUI"
    (checkout / "venv" / "bin").mkdir(parents=True)
    # A python that tells of itself, in the place of the checkout's own.
    (checkout / "venv" / "bin" / "python").write_text(f'#!/bin/sh\nOWN_PYTHON=1 exec {sys.executable} "$@"\n')
    (checkout / "venv" / "bin" / "python").chmod(0o755)
    (checkout / "main.py").symlink_to(CHECKOUT / "main.py")
    port = free_port()
    async with control_of(manager, port, dir=str(checkout)) as control:
        outcome = await control.start()
        assert outcome.status == "started"
        assert outcome.pid == the_listener(port)
        process = psutil.Process(outcome.pid)
        assert process.environ()["OWN_PYTHON"] == "1"
        assert process.cwd() == str(checkout)
        assert outcome.job_id is not None
        assert (await manager.find(outcome.job_id)).status == "running"
        async with control_of(manager, port, url=f"http://192.0.2.1:{port}") as elsewhere:
            assert await elsewhere.lifecycle.last_job(None) is None  # another machine has the same port


async def test_it_is_started_by_the_configured_command(tmp_path: Path, manager: JobManager) -> None:
    port = free_port()
    async with control_of(manager, port, command=f"MARK=1 {_command(port, tmp_path)}") as control:
        outcome = await control.start()
        assert outcome.status == "started"
        assert outcome.pid == the_listener(port)
        assert psutil.Process(outcome.pid).environ()["MARK"] == "1"


async def test_it_is_started_with_the_python_of_the_path_where_its_directory_has_none(
    state_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    with another_manager(state_dir) as manager:
        async with control_of(manager, port, dir=str(CHECKOUT)) as control:
            assert (await control.start()).status == "started"
            assert (await control.stop()).status == "stopped"
            assert simulators(port) == []


async def test_one_that_ends_while_it_starts_has_failed_and_its_last_lines_are_shown(
    tmp_path: Path, manager: JobManager
) -> None:
    port = free_port()
    command = (
        f"echo 'ModuleNotFoundError: no module named torch' >&2; {_command(port, tmp_path, '--exit-during-start', '3')}"
    )
    async with control_of(manager, port, command=command) as control:
        outcome = await control.start()
        assert outcome.status == "failed"
        assert "no module named torch" in outcome.output
        assert "3" in outcome.detail
        assert "It was started as: echo 'ModuleNotFoundError" in outcome.detail
        assert "set COMFYUI_COMMAND" in outcome.detail
        assert simulators(port) == []


async def test_one_that_takes_longer_is_starting_and_its_job_tells_when_it_is_ready(
    tmp_path: Path, manager: JobManager
) -> None:
    port = free_port()
    async with control_of(manager, port, command=_command(port, tmp_path, "--startup-delay", "2")) as control:
        outcome = await control.start(wait_s=0.5)
        assert outcome.status == "starting"
        assert outcome.job_id is not None
        assert f'wait_for_job("{outcome.job_id}", until="port:{port}")' in outcome.detail
        again = await control.start()  # waits for that one
        assert (again.status, again.job_id) == ("started", outcome.job_id)
        assert simulators(port) == [the_listener(port)]
        assert (await control.start()).status == "already_running"


async def test_one_that_runs_already_is_said_to_with_its_pid(tmp_path: Path, manager: JobManager) -> None:
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [old]:
        async with control_of(manager, simulator.port, dir=str(CHECKOUT)) as control:
            outcome = await control.start()
            assert (outcome.status, outcome.pid, outcome.job_id) == ("already_running", simulator.pid, None)
            assert not old.is_dead()
            assert await manager.list() == []


async def test_one_that_does_not_answer_is_not_started_beside(
    tmp_path: Path, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_patience(monkeypatch)
    with a_checkout(tmp_path, "--queue-status", "500", "--hang") as simulator:
        async with control_of(manager, simulator.port) as control:
            refusal = await control.refusal(control.start())
            assert f"pid {simulator.pid}" in refusal
            assert 'restart_comfyui(force=true, requeue="pending")' in refusal
            assert simulators(simulator.port) == [simulator.pid]


async def test_of_two_starts_at_once_by_two_servers_one_starts_it_and_the_other_is_told(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    port = free_port()
    settings = {"COMFYUI_URL": f"http://127.0.0.1:{port}", "COMFYUI_COMMAND": _command(port, tmp_path)}
    async with control_of(manager, port) as control:
        with Server(**settings) as first, Server(**settings) as second:
            with ThreadPoolExecutor() as pool:
                asked = [pool.submit(server.answer, "start_comfyui") for server in (first, second)]
                told = [answer.result() for answer in asked]
            assert sorted(bool(answer.get("isError")) for answer in told) in ([False, True], [False, False])
            texts = " ".join(part["text"] for answer in told for part in answer["content"])
            assert "started" in texts
            assert "another start, stop, restart or pause of ComfyUI" in texts or "already_running" in texts
            assert simulators(port) == [the_listener(port)]
        assert len(await manager.list()) == 1
        assert (await control.start()).status == "already_running"
    assert state_dir


async def test_of_many_starts_at_once_in_one_server_one_starts_it(tmp_path: Path, manager: JobManager) -> None:
    port = free_port()
    async with control_of(manager, port, command=_command(port, tmp_path)) as control:
        outcomes = await asyncio.gather(*(control.start() for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(outcome, LifecycleError) for outcome in outcomes) == 4
        [started] = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
        assert started.status == "started"
        assert simulators(port) == [the_listener(port)]


async def test_it_starts_although_all_places_of_jobs_are_taken(tmp_path: Path, state_dir: str) -> None:
    port = free_port()
    with another_manager(state_dir, max_jobs=1) as manager:
        async with control_of(manager, port, command=_command(port, tmp_path)) as control:
            other = await start(manager, "exec sleep 100")
            outcome = await control.start()
            assert outcome.status == "started"
            assert (await manager.find(other.job_id)).status == "running"
            later = await control.start()
            assert (later.status, later.job_id) == ("already_running", outcome.job_id)
            assert simulators(port) == [the_listener(port)]
            await manager.kill(other.job_id, by="test", grace_s=0)


async def test_settings_for_the_jobs_of_callers_do_not_hinder_or_end_it(tmp_path: Path, state_dir: str) -> None:
    port = free_port()
    with another_manager(state_dir, allowed_commands="echo", job_timeout=1.0) as manager:
        async with control_of(manager, port, command=_command(port, tmp_path)) as control:
            outcome = await control.start()
            assert outcome.status == "started"
            assert outcome.job_id is not None
            # A job of a caller that is started later reaches its limit; ComfyUI, started before, has none.
            limited = await start(manager, "echo; exec sleep 100")
            assert (await ended(manager, limited)).status == "timed_out"
            assert (await manager.find(outcome.job_id)).status == "running"
            assert (await control.restart()).status == "restarted"


async def test_it_is_started_again_as_it_was_before_it_was_stopped(tmp_path: Path, manager: JobManager) -> None:
    with a_checkout(tmp_path, env={"CUDA_VISIBLE_DEVICES": "7"}) as simulator:
        argv = psutil.Process(simulator.pid).cmdline()
        async with control_of(manager, simulator.port) as control:
            assert (await control.stop()).status == "stopped"
            outcome = await control.start()
            assert outcome.status == "started"
            process = psutil.Process(the_listener(simulator.port))
            assert process.cmdline() == argv
            assert process.environ()["CUDA_VISIBLE_DEVICES"] == "7"


async def test_a_command_has_the_port_that_is_meant(tmp_path: Path, manager: JobManager) -> None:
    port = free_port()
    command = _command(port, tmp_path).replace(str(port), "$COMFYUI_PORT")
    async with control_of(manager, port, command=command) as control:
        assert (await control.start()).status == "started"
        assert simulators(port) == [the_listener(port)]


@pytest.mark.parametrize(("arguments", "told"), [("--cpu --preview-method 'no ne'", None), ("--cpu '", "COMFYUI_ARGS")])
def test_arguments_follow_those_of_the_directory(tmp_path: Path, arguments: str, told: str | None) -> None:
    (tmp_path / "main.py").touch()
    settings = Settings(directory=str(tmp_path), arguments=arguments)
    endpoint = endpoint_of(None, "127.0.0.1", 8188)
    if told:
        with pytest.raises(LifecycleError, match=told):
            startup_of_settings(settings, endpoint)
        return
    startup = startup_of_settings(settings, endpoint)
    assert startup
    assert startup.command.endswith("main.py --port 8188 --cpu --preview-method 'no ne'")
