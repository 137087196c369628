"""A look at a server names what is wrong before anybody tries to cancel."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from mcp_background_job.comfyui.process.process import Baselines
from mcp_background_job.comfyui.prompts import signs
from mcp_background_job.comfyui.prompts.signs import QUIET_S, Signs, output_directory_of, told
from mcp_background_job.comfyui.reports.status import status_of
from mcp_background_job.processes.portrait import Portrait
from tests.comfyui.prompts.cancel_support import QUICK, Control, control_of, controlled
from tests.comfyui.talk import wait_until_silent
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import WAIT_S, until

CASES = {
    "nothing": (Signs(), None),
    "it is heard of": (Signs(quiet_s=QUIET_S - 1), None),
    "it is quiet": (Signs(quiet_s=QUIET_S), "given no sign"),
    "stopped": (Signs(suspended_pid=7), "kill -CONT 7"),
    "its worker is dead": (Signs(worker_gone=True), "seems to have ended"),
    "there is room": (Signs(output_directory="/out", room=10 * 1024**3), None),
    "the disk is full": (Signs(output_directory="/out", room=0), "/out"),
}


@pytest.mark.parametrize("name", CASES)
def test_signs_are_told_with_what_to_do(name: str) -> None:
    seen, words = CASES[name]
    if words is None:
        assert told(seen) == ()
    else:
        [sentence] = told(seen)
        assert words in sentence


STARTS = {
    "/srv/ComfyUI/output": (["python", "main.py"], "/srv/ComfyUI"),
    "/opt/c/output": (["python", "/opt/c/main.py", "--port", "1"], None),
    "/big": (["python", "main.py", "--output-directory", "/big"], "/srv"),
    "/srv/here": (["python", "main.py", "--output-directory=here"], "/srv"),
    "": (["comfy", "launch"], "/srv"),
}


@pytest.mark.parametrize("directory", STARTS)
def test_where_outputs_are_written_follows_from_how_it_was_started(directory: str) -> None:
    argv, cwd = STARTS[directory]
    assert output_directory_of(Portrait(pid=1, birth=1.0, started_at=1.0, argv=argv, cwd=cwd)) == directory


async def _warnings(control: Control, baselines: Baselines) -> str:
    return " ".join((await status_of(control.client, control.journal, control.prompts, baselines)).warnings)


@pytest.mark.real_process
async def test_a_dead_worker_is_named_by_a_look(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, _):
        await control.submit(graphs.stepped(1, 0.01), wait_s=WAIT_S)
        assert await _warnings(control, control.baselines) == ""
        await control.submit_running(graphs.sys_exit())

        async def is_named() -> bool:
            return "seems to have ended" in await _warnings(control, control.baselines)

        await until(is_named, "a look names the dead worker")


@pytest.mark.real_process
async def test_a_stopped_process_and_a_full_disk_are_named_by_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process of its own: the command line of another tells nothing.
    with await asyncio.to_thread(Simulator.start, *QUICK, anew=True) as simulator:
        async with control_of(simulator.port, tmp_path) as control:
            simulator.output_directory.mkdir(exist_ok=True)
            monkeypatch.setattr(signs, "_ROOM", 1 << 62)
            assert str(simulator.output_directory) in await _warnings(control, control.baselines)
            simulator.signal(signal.SIGSTOP)
            await asyncio.to_thread(wait_until_silent, simulator)
            assert f"kill -CONT {simulator.pid}" in await _warnings(control, control.baselines)
            simulator.signal(signal.SIGCONT)
