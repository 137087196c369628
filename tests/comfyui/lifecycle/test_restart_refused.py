"""Nothing is signalled that is busy, or that is not known to be ComfyUI; each refusal is one sentence that says why."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from mcp_background_job.comfyui.lifecycle import checks
from mcp_background_job.comfyui.process import process
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.processes.listeners import Listener
from tests.comfyui.lifecycle.lifecycle_support import (
    CHECKOUT,
    QUICK,
    Control,
    Watched,
    a_checkout,
    control_of,
    listening_pids,
    run_to_its_end,
    shorten_patience,
    the_listener,
    wait_running,
    watching,
)
from tests.comfyui.talk import submit, wait_until_silent
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator, free_port
from tests.live_files import copy_live
from tests.patience import PATIENCE_S, wait_until

pytestmark = pytest.mark.real_process


# -- busy --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["stop", "restart"])
async def test_a_busy_one_is_left_alone_and_what_would_be_lost_is_named(
    tmp_path: Path, manager: JobManager, action: str
) -> None:
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [old]:
        async with control_of(manager, simulator.port) as control:
            mine = await control.submit(graphs.gated(tmp_path / "gate"), "the portrait")
            wait_running(simulator, mine)
            others = submit(simulator, graphs.sleeping(0))
            refusal = await control.refusal(control.stop() if action == "stop" else control.restart())
            assert mine in refusal
            assert "the portrait" in refusal
            assert others in refusal
            assert "1 running" in refusal
            assert "1 pending" in refusal
            assert "force=true" in refusal
            assert not old.is_dead()
            assert psutil.Process(the_listener(simulator.port)).create_time() == old.began
            (tmp_path / "gate").touch()
            prompt = await control.comfyui.submitter.wait(others, PATIENCE_S)
            assert prompt.status == "completed"
            assert await control.state_of(mine) == "completed"


@pytest.mark.parametrize("action", ["stop", "restart"])
async def test_a_silent_one_is_left_alone_and_what_the_journal_knows_is_named(
    tmp_path: Path, manager: JobManager, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [old]:
        async with control_of(manager, simulator.port) as control:
            run_to_its_end(simulator, graphs.sleeping(0))
            mine = await control.submit(graphs.gil_hold(250), "the portrait")
            wait_until_silent(simulator)
            shorten_patience(monkeypatch)  # from here on: the submission needs its time
            refusal = await control.refusal(control.stop() if action == "stop" else control.restart())
            assert "what would be lost is unknown" in refusal
            assert mine in refusal
            assert "force=true" in refusal
            assert not old.is_dead()


# -- not ours, or not ComfyUI ------------------------------------------------------------------------------------------

_ACTIONS = ["start", "stop", "restart"]


async def _refused(control: Control, action: str) -> str:
    match action:
        case "start":
            return await control.refusal(control.start())
        case "stop":
            return await control.refusal(control.stop(force=True))
        case _:
            return await control.refusal(control.restart(force=True))


@pytest.mark.parametrize("action", _ACTIONS)
async def test_on_another_machine_nothing_is_done_and_nobody_is_asked(manager: JobManager, action: str) -> None:
    # TEST-NET-1: whoever connected there would wait for a long time.
    async with control_of(manager, 1, url="http://192.0.2.1:8188") as control:
        refusal = await _refused(control, action)
        assert "on another machine" in refusal
        assert "192.0.2.1" in refusal


@contextlib.contextmanager
def _program(*command: str, port: int, user: int | None = None) -> Generator[Watched]:
    """Run somebody else's program, once it listens."""
    null = subprocess.DEVNULL
    program = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, user=user, cwd="/")
    try:
        wait_until(lambda: program.pid in listening_pids(port), "it listens")
        with Watched(program.pid) as watched:
            yield watched
    finally:
        program.kill()
        program.wait(PATIENCE_S)


def _web_server(port: int, directory: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", directory)


@pytest.mark.parametrize("action", _ACTIONS)
async def test_another_program_on_the_port_is_left_alone(tmp_path: Path, manager: JobManager, action: str) -> None:
    pictures = tmp_path / "ComfyUI"  # a name alone makes no ComfyUI
    pictures.mkdir()
    port = free_port()
    with _program(*_web_server(port, str(pictures)), port=port) as program:
        async with control_of(manager, port, dir=str(pictures)) as control:
            refusal = await _refused(control, action)
            assert f"pid {program.pid}" in refusal
            assert "http.server" in refusal
            assert "left alone" in refusal
            assert not program.is_dead()


#: Takes connections, and never says a word.
_SILENT = """\
import signal, socket, sys
signal.alarm(100)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
held = []
while True:
    held.append(listener.accept())
"""


@pytest.mark.parametrize("action", _ACTIONS)
async def test_a_silent_program_that_is_not_known_to_be_comfyui_is_left_alone(
    manager: JobManager, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    shorten_patience(monkeypatch)
    port = free_port()
    with _program(sys.executable, "-I", "-S", "-c", _SILENT, str(port), port=port) as program:
        async with control_of(manager, port) as control:
            refusal = await _refused(control, action)
            assert f"pid {program.pid}" in refusal
            assert "not known to be ComfyUI" in refusal
            assert not program.is_dead()


#: Passes connections on to another port, as ssh -L does.
_FORWARDER = """\
import asyncio, signal, sys
signal.alarm(100)

async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

async def serve(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@pytest.mark.parametrize("action", ["stop", "restart"])
async def test_a_tunnel_to_a_comfyui_elsewhere_is_not_taken_for_it(
    tmp_path: Path, manager: JobManager, action: str
) -> None:
    port = free_port()
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [behind]:
        command = (sys.executable, "-I", "-c", _FORWARDER, str(port), str(simulator.port))
        with _program(*command, port=port) as tunnel:
            async with control_of(manager, port) as control:
                refusal = await _refused(control, action)
                assert f"pid {tunnel.pid}" in refusal
                assert not tunnel.is_dead()
                assert not behind.is_dead()


#: Says what an idle ComfyUI says.
_IDLE_COMFYUI = """\
import http.server, json, signal, sys
signal.alarm(100)
QUEUE = {"queue_running": [], "queue_pending": []}
STATS = {"system": {"argv": sys.argv}, "devices": []}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ("/queue", "/system_stats") else 404)
        self.end_headers()
        self.wfile.write(json.dumps(STATS if "stats" in self.path else QUEUE).encode())

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run a program as another user")
@pytest.mark.parametrize("action", ["stop", "restart"])
async def test_the_comfyui_of_another_user_is_left_alone(manager: JobManager, action: str) -> None:
    port = free_port()
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    if python is None:
        pytest.skip("no python that another user may run")
    with _program(python, "-I", "-S", "-c", _IDLE_COMFYUI, str(port), port=port, user=65534) as program:
        async with control_of(manager, port) as control:
            refusal = await _refused(control, action)
            assert "other user" in refusal
            assert not program.is_dead()


@pytest.mark.parametrize("action", _ACTIONS)
async def test_a_port_of_somebody_who_cannot_be_looked_into_is_said_to_be_held(
    manager: JobManager, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    port = free_port()

    def hidden(number: int) -> Listener | None:
        return Listener(None, frozenset({"127.0.0.1"})) if number == port else None

    monkeypatch.setattr(process, "listener_on", hidden)
    monkeypatch.setattr(checks, "listener_on", hidden)
    async with control_of(manager, port) as control:
        refusal = await _refused(control, action)
        assert f"port {port} is held by a process of another user" in refusal
        assert f"fuser -v {port}/tcp" in refusal


# -- nothing says how to start it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["start", "restart"])
async def test_without_any_setting_the_settings_are_named(manager: JobManager, action: str) -> None:
    async with control_of(manager, free_port()) as control:
        refusal = await _refused(control, action)
        assert "COMFYUI_DIR" in refusal
        assert "COMFYUI_COMMAND" in refusal


@pytest.mark.parametrize("action", ["start", "restart"])
@pytest.mark.parametrize(
    ("made", "said"), [("a directory", "has no main.py"), ("a file", "is not a directory"), ("", "is not a directory")]
)
async def test_a_directory_that_is_no_checkout_is_named(
    tmp_path: Path, manager: JobManager, action: str, made: str, said: str
) -> None:
    path = tmp_path / "ComfyUI"
    if made == "a directory":
        path.mkdir()
    elif made:
        path.touch()
    async with control_of(manager, free_port(), dir=str(path)) as control:
        assert f"COMFYUI_DIR={path} {said}" in await _refused(control, action)


async def test_one_whose_directory_is_gone_is_not_killed(tmp_path: Path, manager: JobManager) -> None:
    checkout = tmp_path / "ComfyUI"
    copy_live(CHECKOUT, checkout)  # a simulator of another test may be compiling it
    (checkout / "main.py").write_text((CHECKOUT / "main.py").read_text().replace("__file__", repr(str(CHECKOUT / "x"))))
    with Simulator.start(*QUICK, directory=tmp_path, cwd=checkout) as simulator, watching(simulator.pid) as [running]:
        shutil.rmtree(checkout)
        async with control_of(manager, simulator.port) as control:
            refusal = await control.refusal(control.restart(force=True))
            assert f"working directory {checkout} is gone" in refusal
            assert not running.is_dead()
