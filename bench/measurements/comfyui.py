"""The time until the truth about a ComfyUI is told: after cancels that are heeded, lost, or in vain, and a restart.

ComfyUI is the simulator of the tests, which imitates real servers that were measured. Its own start takes a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from bench.client import ServerProcess, facts_of
from bench.figures import Figure, at_most, p50
from bench.plan import Plan
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator

_MS = 1000.0

#: Longer than any measurement lasts.
_FOREVER_S = 200.0

_Measurement = Callable[[ServerProcess, Simulator], float]


def measure_comfyui_cancel(plan: Plan) -> list[Figure]:
    """Measure from a cancel, or from the end of the step that heeds it, to the answer."""
    heeded = _with_server(plan, _heeded, plan.count(10, 2))
    lost = [_with_server(plan, _lost, 1, "--start-gap", "1")[0] for _ in range(plan.count(5, 1))]
    dead = [_with_server(plan, _dead_worker, 1)[0] for _ in range(plan.count(5, 1))]
    silent = [_with_server(plan, _dead_http, 1)[0] for _ in range(plan.count(5, 1))]
    return [
        at_most(
            f"ComfyUI: end of the interrupted one-second step to the answer, worst (n = {len(heeded)})",
            max(heeded),
            "s",
            bar=0.5,
        ),
        at_most(f"ComfyUI: cancel whose first interrupt is lost, worst (n = {len(lost)})", max(lost), "s", bar=4),
        at_most(f"ComfyUI: dead worker named, worst (n = {len(dead)})", max(dead), "s", bar=10),
        at_most(f"ComfyUI: dead HTTP named, worst (n = {len(silent)})", max(silent), "s", bar=10),
    ]


def measure_comfyui_restart(plan: Plan) -> list[Figure]:
    """Measure a restart, less ComfyUI's own start, if its interpreter is held and its children ignore SIGTERM."""
    starts: list[float] = []
    restarts: list[float] = []
    for _ in range(plan.count(5, 1)):
        began = time.perf_counter()
        with Simulator.start(anew=True) as simulator:
            starts.append(time.perf_counter() - began)
            restarts.append(_on(plan, simulator, _restarted))
    extra = p50(restarts) - p50(starts)
    return [at_most(f"ComfyUI: restart of a wedged one, beyond its own start (n = {len(starts)})", extra, "s", bar=3)]


def _with_server(plan: Plan, measure: _Measurement, times: int, *flags: str) -> list[float]:
    with Simulator.start(*flags) as simulator:
        return [_on(plan, simulator, measure) for _ in range(times)]


def _on(plan: Plan, simulator: Simulator, measure: _Measurement) -> float:
    with plan.workspace.ours(plan.workspace.state_dir(), comfyui_port=str(simulator.port)) as server:
        return measure(server, simulator)


def _heeded(server: ServerProcess, simulator: Simulator) -> float:
    submitted = _submit(server, graphs.stepped(1000, 1.0), wait_s=0.3)
    answer = facts_of(server.call("comfyui_cancel_job", prompt_id=submitted["prompt_id"]))
    answered_at = time.time()
    assert answer["status"] == "cancelled", answer
    entry = httpx2.get(f"{simulator.url}/history/{submitted['prompt_id']}").json()[submitted["prompt_id"]]
    return answered_at - entry["status"]["messages"][-1][1]["timestamp"] / _MS


def _lost(server: ServerProcess, _: Simulator) -> float:
    submitted = _submit(server, graphs.stepped(1000, 0.1))
    return _cancelled(server, submitted, "cancelled")


def _dead_worker(server: ServerProcess, _: Simulator) -> float:
    return _cancelled(server, _submit(server, graphs.sys_exit(), wait_s=0.5), "wedged", "worker_dead")


def _dead_http(server: ServerProcess, _: Simulator) -> float:
    submitted = _submit(server, graphs.gil_hold(_FOREVER_S))
    _await_silence(server)
    return _cancelled(server, submitted, "wedged", "http_dead")


def _await_silence(server: ServerProcess) -> None:
    while facts_of(server.call("comfyui_status"))["reachable"]:
        pass


def _cancelled(server: ServerProcess, submitted: dict[str, Any], status: str, wedge: str | None = None) -> float:
    began = time.perf_counter()
    answer = facts_of(server.call("comfyui_cancel_job", prompt_id=submitted["prompt_id"]))
    took = time.perf_counter() - began
    assert (answer["status"], answer.get("wedge")) == (status, wedge), answer
    return took


def _restarted(server: ServerProcess, simulator: Simulator) -> float:
    _submit(server, graphs.spawn_child(ignore_sigterm=True), wait_s=5)
    _submit(server, graphs.gil_hold(_FOREVER_S))
    _await_silence(server)
    began = time.perf_counter()
    answer = facts_of(server.call("restart_comfyui", force=True))
    took = time.perf_counter() - began
    assert answer["status"] == "restarted", answer
    assert not any(Path(f"/proc/{pid}").exists() and _is_alive(pid) for pid in answer["stopped_pids"]), answer
    assert simulator.pid in answer["stopped_pids"], answer
    assert facts_of(server.call("stop_comfyui"))["status"] == "stopped"
    return took


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _submit(server: ServerProcess, graph: dict[str, Any], *, wait_s: float = 0.0) -> dict[str, Any]:
    return facts_of(server.call("comfyui_submit", workflow=graph, wait_s=wait_s))
