"""A thousand files to ComfyUI, with senders that are killed in the middle: each file arrives once and whole."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from bench.client import facts_of
from bench.figures import KIB_PER_MIB, Figure, at_most
from bench.memory import memory, reset_peak
from bench.plan import Plan
from mcp_background_job.jobdir.layout import StateDir
from tests.comfyui_simulator.process import Simulator

_SIZE = 2**20
_MEMORY_BAR_MB = 16.0

#: The shares of all files at which a sender is killed.
_KILLS = (0.2, 0.5, 0.8)

_LOOK_AGAIN_S = 0.005


def measure_uploads(plan: Plan) -> list[Figure]:
    """Upload the same files by three processes that are killed; then by a server, whose memory is measured."""
    count = plan.count(1000, 50)
    paths = _files(plan, count)
    state = plan.workspace.state_dir()
    with Simulator.start() as simulator:
        inputs = simulator.output_directory.with_name("input")
        for share in _KILLS:
            _kill_when(inputs, round(share * count), state, simulator, paths)
        began = time.perf_counter()
        with plan.workspace.ours(state, comfyui_port=str(simulator.port)) as server:
            facts_of(server.call("comfyui_upload", path=paths[:1]))
            before = reset_peak(server.pid)
            known = facts_of(server.call("comfyui_upload", path=paths))
            while "left" in known:
                known = facts_of(server.call("comfyui_upload", path=paths))
            growth = (memory(server.pid, "VmHWM") - before) / KIB_PER_MIB
        took = time.perf_counter() - began
        wanted = [_hash(Path(path)) for path in paths]
        there = [_hash(path) for path in inputs.iterdir()]
    wrong = (Counter(there) - Counter(wanted)).total() + (Counter(wanted) - Counter(there)).total()
    what = f"ComfyUI: {count:,} uploads of 1 MB, their sender killed three times"
    return [
        at_most(f"{what}: twice, missing or broken", wrong, "files", bar=0, digits=0),
        at_most(f"{what}: memory growth of the server", growth, "MiB", bar=_MEMORY_BAR_MB, digits=1),
        Figure(what=f"{what}: the last pass", figure=f"{took:.1f} s"),
    ]


def _files(plan: Plan, count: int) -> list[str]:
    paths = [plan.workspace.file(f"picture-{number}.png") for number in range(count)]
    for path in paths:
        Path(path).write_bytes(os.urandom(_SIZE))
    return paths


def _kill_when(inputs: Path, count: int, state: StateDir, simulator: Simulator, paths: list[str]) -> None:
    """Upload files by a process that is killed when so many have arrived."""
    environment = {**os.environ, "COMFYUI_PORT": str(simulator.port), "MCP_BG_STATE_DIR": state.path}
    command = [sys.executable, "-m", "mcp_background_job", "comfyui", "upload", *paths]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as sender:
        while sender.poll() is None and (not inputs.is_dir() or len(os.listdir(inputs)) < count):
            time.sleep(_LOOK_AGAIN_S)
        sender.send_signal(signal.SIGKILL)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
