"""How long a cancel of an agent's run takes, until nothing of the run is left."""

from __future__ import annotations

import time

from bench.client import ServerProcess, facts_of
from bench.figures import Figure, at_most, p50
from bench.plan import Plan

_BAR_S = 1.5

#: Each is an agent with a tool in a session of its own, as all agents have them; it says when it is there.
_TREES = {
    "its tools heed SIGTERM": "setsid sleep 1000 & echo ready; exec sleep 1000",
    "a tool ignores what it can": (
        "setsid sh -c 'trap \"\" INT TERM HUP; sleep 1000; sleep 1000' & echo ready; exec sleep 1000"
    ),
}


def measure_run_cancel(plan: Plan) -> list[Figure]:
    """From the call to the answer, which comes when every process is dead."""
    figures: list[Figure] = []
    with plan.workspace.ours(plan.workspace.state_dir()) as server:
        for what, script in _TREES.items():
            samples = [_cancelled(server, script) for _ in range(plan.count(20, 3))]
            label = f"cancel_run in mid-tool, {what}"
            figures.append(at_most(f"{label}, median (n = {len(samples)})", p50(samples), "s"))
            figures.append(at_most(f"{label}, worst", max(samples), "s", bar=_BAR_S))
    return figures


def _cancelled(server: ServerProcess, script: str) -> float:
    asked = {"backend": "command", "cwd": "/", "prompt": "x", "backend_config": {"command": ["sh", "-c", script]}}
    run_id = facts_of(server.call("spawn_run", **asked))["run_id"]
    seq = 0
    types: list[str] = []
    while "agent_message" not in types:
        polled = facts_of(server.call("poll_events", run_id=run_id, after_seq=seq))
        seq, types = polled["next_after_seq"], [event["type"] for event in polled["events"]]
    began = time.perf_counter()
    answer = facts_of(server.call("cancel_run", run_id=run_id))
    took = time.perf_counter() - began
    assert (answer["status"], answer["stopped"], answer["leftover_pids"]) == ("cancelled", True, []), answer
    return took
