"""Who holds memory of GPUs is asked of ``nvidia-smi``: here a script of the test's own, first on the PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcp_background_job.comfyui.process import gpu_memory
from mcp_background_job.comfyui.process.gpu_memory import NOTHING_KNOWN, GpuLook, GpuMemory, Holder, held_in
from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.reports.report import of_status
from mcp_background_job.comfyui.reports.status import Status
from mcp_background_job.processes.wrapper import ProcessWrapper
from tests.patience import PATIENCE_S

MIB = 1024**2

ANSWERS: dict[str, tuple[str, dict[int, int]]] = {
    "nothing runs": ("", {}),
    "one": ("812, 10240\n", {812: 10240 * MIB}),
    "two GPUs": ("812, 100\n813, 5\n812, 50\n", {812: 150 * MIB, 813: 5 * MIB}),
    "no number": ("812, [N/A]\n813, [Insufficient Permissions]\n814, 7\n", {814: 7 * MIB}),
    "no answer": ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", {}),
    "odd": ("812\n, 4\n812, \n-1, 4\n²,³\n", {}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_each_process_holds_is_read(name: str) -> None:
    answer, held = ANSWERS[name]
    assert held_in(answer) == held


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpu_memory, "_ANSWER_S", PATIENCE_S)
    return tmp_path


def _smi(path: Path, script: str) -> None:
    program = path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.usefixtures("path")
async def test_nothing_is_said_without_nvidia_smi() -> None:
    assert await GpuLook().look() == NOTHING_KNOWN


@pytest.mark.real_process
async def test_holders_are_named_with_their_commands_most_memory_first(path: Path) -> None:
    gone = 2**22 + 1  # above what Linux gives
    _smi(path, f'echo "$@" > {path}/asked\nprintf "%s\\n" "{gone}, 3" "{os.getpid()}, 2048"')
    own, other = (await GpuLook().look()).holders
    assert (own.pid, own.size) == (os.getpid(), 2048 * MIB)
    assert "pytest" in own.command or "python" in own.command
    assert other == Holder(gone, 3 * MIB)
    asked = (path / "asked").read_text()
    assert asked == "--query-compute-apps=pid,used_memory --format=csv,noheader,nounits\n"


@pytest.mark.real_process
async def test_one_that_gives_no_answer_is_ended_and_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_memory, "_ANSWER_S", 0.2)
    _smi(path, "exec /bin/sleep 1000")
    look = GpuLook()
    assert "gave no answer" in (await look.look()).trouble
    assert look._asked
    assert look._asked.returncode == -9
    _smi(path, f"echo {os.getpid()}, 1")
    monkeypatch.setattr(gpu_memory, "_ANSWER_S", PATIENCE_S)
    assert [holder.pid for holder in (await look.look()).holders] == [os.getpid()]


@pytest.mark.real_process
async def test_no_second_one_is_asked_while_the_first_cannot_be_ended(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_memory, "_ANSWER_S", 0.2)

    async def leave(_asked: object) -> None:
        """As the kernel does where the driver holds the process."""

    end = gpu_memory._end
    monkeypatch.setattr(gpu_memory, "_end", leave)
    _smi(path, "exec /bin/sleep 1000")
    look = GpuLook()
    await look.look()
    first = look._asked
    assert first
    assert f"pid {first.pid}) still gives no answer" in (await look.look()).trouble
    assert look._asked is first
    await end(first)


async def test_one_that_cannot_be_started_is_told(path: Path) -> None:
    (path / "nvidia-smi").write_bytes(b"\x7fELF no program")
    (path / "nvidia-smi").chmod(0o755)
    assert "cannot be started" in (await GpuLook().look()).trouble


def test_a_status_tells_the_holders_and_which_is_comfyui() -> None:
    holders = (Holder(os.getpid(), 3 * 1024**3), Holder(7, 1024**3, "train.py " + "x" * 200), Holder(8, 1024**3 // 2))
    told = of_status(Status("http://127.0.0.1:1", process=_own(), gpu_memory=GpuMemory(holders)))["gpu_memory"]
    assert told[0] == f"3.0 GB: pid {os.getpid()} (ComfyUI)"
    assert told[1].startswith("1.0 GB: pid 7 (train.py xxx")
    assert len(told[1]) < 120
    assert told[2] == "0.5 GB: pid 8"
    assert "gpu_memory" not in of_status(Status("http://127.0.0.1:1"))
    assert of_status(Status("http://127.0.0.1:1", gpu_memory=GpuMemory(trouble="it hangs")))["gpu_memory"] == "it hangs"


def _own() -> ServerProcess:
    return ServerProcess(ProcessWrapper(os.getpid()))
