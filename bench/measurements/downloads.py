"""A gigabyte from ComfyUI on the same machine: ``comfyui_download``, with its hash and its checks, against curl."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.client import ServerProcess, facts_of
from bench.figures import KIB_PER_MIB, Figure, at_most, ratio
from bench.memory import memory, reset_peak
from bench.plan import Plan
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator

#: ``comfyui_download`` is at least 0.8 times as fast as curl.
_BAR = 1.25
_MEMORY_BAR_MB = 16.0

_NAME = "film.mp4"


def measure_downloads(plan: Plan) -> list[Figure]:
    """Measure the download of one file of a gigabyte, which both write to the same disk, and the server's memory."""
    size = plan.count(2**30, 2**26)
    what = f"ComfyUI: download of {size // 2**20:,} MiB, against `curl -o`"
    curl = shutil.which("curl")
    if curl is None:
        return [Figure(what=what, figure="not measured: there is no curl")]
    ours: list[float] = []
    peer: list[float] = []
    growth: list[float] = []
    with (
        Simulator.start() as simulator,
        plan.workspace.ours(plan.workspace.state_dir(), comfyui_port=str(simulator.port)) as server,
    ):
        small, large = _rendered(server, 1000), _rendered(server, size)
        _download(server, small)
        for round_number in range(plan.count(7, 1)):
            # In changing order, since the disk is still busy with what the last one has written.
            if round_number % 2:
                peer.append(_curled(plan, curl, simulator, size))
            before = reset_peak(server.pid)
            ours.append(_downloaded(server, large, size))
            growth.append((memory(server.pid, "VmHWM") - before) / KIB_PER_MIB)
            if not round_number % 2:
                peer.append(_curled(plan, curl, simulator, size))
    worst = f"memory growth of the server meanwhile, worst of {len(growth)}"
    return [ratio(what, ours, peer, bar=_BAR), at_most(worst, max(growth), "MiB", bar=_MEMORY_BAR_MB, digits=1)]


def _rendered(server: ServerProcess, size: int) -> str:
    """Run a prompt that makes a file; returns the prompt's id."""
    graph = graphs.file(_NAME, kind="gifs", subfolder=str(size), size=size)
    done = facts_of(server.call("comfyui_submit", workflow=graph, note=str(size), wait_s=20))
    assert done["status"] == "completed", done
    return done["prompt_id"]


def _download(server: ServerProcess, prompt_id: str) -> dict[str, Any]:
    answer = facts_of(server.call("comfyui_download", prompt_id=prompt_id))
    assert (answer["status"], answer["written"]) == ("downloaded", 1), answer
    return answer


def _downloaded(server: ServerProcess, prompt_id: str, size: int) -> float:
    began = time.perf_counter()
    answer = _download(server, prompt_id)
    took = time.perf_counter() - began
    path = Path(answer["directory"], answer["files"][0])
    assert path.stat().st_size == size
    path.unlink()
    return took


def _curled(plan: Plan, curl: str, simulator: Simulator, size: int) -> float:
    path = plan.workspace.file(_NAME)
    url = f"{simulator.url}/view?filename={_NAME}&subfolder={size}&type=output"
    began = time.perf_counter()
    subprocess.run([curl, "--silent", "--fail", "-o", path, url], check=True)
    took = time.perf_counter() - began
    assert os.stat(path).st_size == size
    os.unlink(path)
    return took
