"""The cost of a batch of prompts: of feeding it to ComfyUI bit by bit, of making it, and of looking at it.

ComfyUI is the simulator of the tests. It notes when each prompt began and ended. The figures of the feeder come from
these notes: they include neither the feeder's own start nor the way of the answers.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx2

from bench.client import ServerProcess, facts_of
from bench.figures import MS_PER_S, Figure, as_time, at_most, p50
from bench.plan import Plan
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator

#: Longer than any measurement lasts.
_FOREVER_S = 200.0

#: The longest wait of one call.
_WAIT_S = 50

_LOOKS = 30

_SEED = "9.inputs.seed"


def measure_batch_dispatch(plan: Plan) -> list[Figure]:
    """Measure the feeder with prompts that do next to nothing, against posting all of them at once."""
    prompts = plan.count(300, 40)
    ours: list[float] = []
    floor: list[float] = []
    began: list[float] = []
    for _ in range(plan.count(3, 1)):
        with Simulator.start() as simulator:
            floor.append(_posted_at_once(simulator, prompts))
        with (
            Simulator.start() as simulator,
            plan.workspace.ours(plan.workspace.state_dir(), comfyui_port=str(simulator.port)) as server,
        ):
            asked_at = time.time()
            batch_id = _batch(server, prompts)["batch_id"]
            _await_end(server, batch_id)
            first, took = _run(simulator, prompts)
            ours.append(took)
            began.append(first - asked_at)
    extra_ms = (p50(ours) - p50(floor)) * MS_PER_S
    return [
        Figure(
            what=f"ComfyUI: a trivial prompt of a batch of {prompts}, beyond its turn when all are posted at once "
            f"(n = {len(ours)})",
            floor=as_time(p50(floor)),
            ours=as_time(p50(ours)),
            figure=f"{extra_ms:.2f} ms",
            bar="≤ 15 ms",
            kept=extra_ms <= 15,
        ),
        at_most("the same: from the request to the first prompt that runs", p50(began), "s"),
    ]


def measure_batch_size(plan: Plan) -> list[Figure]:
    """Measure making, looking at and canceling a large batch whose first prompt waits for another client's."""
    prompts = plan.count(10_000, 1_000)
    with (
        Simulator.start() as simulator,
        plan.workspace.ours(plan.workspace.state_dir(), comfyui_port=str(simulator.port)) as server,
    ):
        _post(simulator, graphs.sleeping(_FOREVER_S))
        facts_of(server.call("comfyui_status"))
        began = time.perf_counter()
        batch_id = _batch(server, prompts)["batch_id"]
        created = time.perf_counter() - began
        _await_fed(simulator)
        looks = [_look(server, batch_id, prompts) for _ in range(_LOOKS)]
        began = time.perf_counter()
        answer = facts_of(server.call("comfyui_batch", batch_id=batch_id, action="cancel"))
        canceled = time.perf_counter() - began
        assert answer["cancel_summary"]["canceled_pending"] == prompts, answer
    return [
        at_most(f"ComfyUI: a batch of {prompts:,} prompts: made", created, "s", bar=3),
        at_most(f"the same: looked at (n = {len(looks)})", p50(looks) * MS_PER_S, "ms", bar=30),
        at_most("the same: canceled", canceled, "s"),
    ]


def _batch(server: ServerProcess, prompts: int) -> dict[str, Any]:
    seeds = {_SEED: list(range(prompts))}
    return facts_of(server.call("comfyui_submit", workflow=graphs.output(), overrides=seeds, expect=prompts, wait_s=0))


def _await_end(server: ServerProcess, batch_id: str) -> None:
    status = ""
    while status in ("", "pending", "running"):
        status = facts_of(server.call("comfyui_batch", batch_id=batch_id, wait_s=_WAIT_S))["status"]
    assert status == "succeeded", status


def _look(server: ServerProcess, batch_id: str, prompts: int) -> float:
    began = time.perf_counter()
    answer = facts_of(server.call("comfyui_batch", batch_id=batch_id))
    took = time.perf_counter() - began
    assert answer["counts"]["pending"] == prompts, answer
    return took


def _await_fed(simulator: Simulator) -> None:
    """Wait until the feeder has sent its first prompt."""
    while not httpx2.get(f"{simulator.url}/queue").json()["queue_pending"]:
        pass


def _posted_at_once(simulator: Simulator, prompts: int) -> float:
    with httpx2.Client() as client:
        for seed in range(prompts):
            graph = graphs.output()
            graph["9"]["inputs"]["seed"] = seed
            _post(simulator, graph, client)
        while len(httpx2.get(f"{simulator.url}/history").json()) < prompts:
            time.sleep(0.05)
    return _run(simulator, prompts)[1]


def _post(simulator: Simulator, graph: graphs.Graph, client: httpx2.Client | None = None) -> None:
    body = {"prompt": graph, "prompt_id": str(uuid.uuid4())}
    post = client.post if client else httpx2.post
    post(f"{simulator.url}/prompt", json=body).raise_for_status()


def _run(simulator: Simulator, prompts: int) -> tuple[float, float]:
    """Return when the first prompt began, and the average time of one from there to the end of the last."""
    history = httpx2.get(f"{simulator.url}/history").json()
    assert len(history) == prompts, len(history)
    messages = [message for entry in history.values() for message in entry["status"]["messages"]]
    moments = [facts["timestamp"] / MS_PER_S for _, facts in messages]
    return min(moments), (max(moments) - min(moments)) / prompts
