"""The time that a cancel of an agent's run takes until nothing of the run is left."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.client import ServerProcess, facts_of
from bench.figures import Figure, at_most, p50
from bench.plan import Plan
from bench.workspace import wait_until

_BAR_S = 1.5

#: Agents, each with a tool in a session of its own, as all agents have them. Each says when its tool is there.
_TREES = {
    "its tools heed SIGTERM": "setsid sleep 1000 & echo ready; exec sleep 1000",
    "a tool ignores what it can": (
        "setsid sh -c 'trap \"\" INT TERM HUP; sleep 1000; sleep 1000' & echo ready; exec sleep 1000"
    ),
}

#: An agent over ACP, with flags that say how it takes the request to stop, which is always made first.
_AGENT = Path(__file__).parents[2] / "tests/agents/host/acp_agent.py"
#: An agent over HTTP, whose prompt's first word says what to do.
_REMOTE_AGENT = Path(__file__).parents[2] / "tests/agents/host/a2a_agent.py"

_MANNERS = {"it stops when asked": [], "it is deaf": ["--deaf"], "it dies of it": ["--die"]}


def measure_run_cancel(plan: Plan) -> list[Figure]:
    """Measure from the call to the answer, which comes when every process is dead."""
    figures: list[Figure] = []
    with plan.workspace.ours(plan.workspace.state_dir()) as server:
        for what, script in _TREES.items():
            samples = [_cancelled(server, script) for _ in range(plan.count(20, 3))]
            figures += _figures(f"cancel_run in mid-tool, {what}", samples)
        for what, flags in _MANNERS.items():
            samples = [_hosted_cancelled(plan, server, flags, number) for number in range(plan.count(10, 2))]
            figures += _figures(f"cancel_run of an ACP agent in mid-tool, {what}", samples)
        samples = _remote_cancelled(plan, server, plan.count(10, 2))
        figures += _figures("cancel_run of an A2A agent in mid-task", samples)
    return figures


def _remote_cancelled(plan: Plan, server: ServerProcess, count: int) -> list[float]:
    """Cancel runs of a remote agent, each with a task that would last very long."""
    with subprocess.Popen([sys.executable, str(_REMOTE_AGENT)], stdout=subprocess.PIPE) as agent:
        assert agent.stdout
        try:
            config = {"agent_url": f"http://127.0.0.1:{int(agent.stdout.readline())}"}
            samples: list[float] = []
            for number in range(count):
                ready = Path(plan.workspace.file(f"ready-remote-{number}"))
                asked = {"backend": "remote_a2a", "cwd": "/", "prompt": f"run touch {ready}; exec sleep 1000"}
                run_id = facts_of(server.call("spawn_run", **asked, backend_config=config))["run_id"]
                wait_until(ready.exists, "the remote agent's task runs")
                samples.append(_cancel(server, run_id))
            return samples
        finally:
            agent.kill()


def _figures(label: str, samples: list[float]) -> list[Figure]:
    return [
        at_most(f"{label}, median (n = {len(samples)})", p50(samples), "s"),
        at_most(f"{label}, worst", max(samples), "s", bar=_BAR_S),
    ]


def _hosted_cancelled(plan: Plan, server: ServerProcess, flags: list[str], number: int) -> float:
    ready = Path(plan.workspace.file(f"ready-{number}{''.join(flags)}"))
    prompt = f"run trap '' INT TERM HUP; touch {ready}; sleep 1000; sleep 1000"
    config = {"command": [sys.executable, str(_AGENT), *flags]}
    spawned = server.call("spawn_run", backend="acp", cwd=plan.workspace.path, prompt=prompt, backend_config=config)
    wait_until(ready.exists, "the agent's tool runs")
    return _cancel(server, facts_of(spawned)["run_id"])


def _cancelled(server: ServerProcess, script: str) -> float:
    asked = {"backend": "command", "cwd": "/", "prompt": "x", "backend_config": {"command": ["sh", "-c", script]}}
    run_id = facts_of(server.call("spawn_run", **asked))["run_id"]
    seq = 0
    types: list[str] = []
    while "agent_message" not in types:
        polled = facts_of(server.call("poll_events", run_id=run_id, after_seq=seq))
        seq, types = polled["next_after_seq"], [event["type"] for event in polled["events"]]
    return _cancel(server, run_id)


def _cancel(server: ServerProcess, run_id: str) -> float:
    began = time.perf_counter()
    answer = facts_of(server.call("cancel_run", run_id=run_id))
    took = time.perf_counter() - began
    assert (answer["status"], answer["stopped"], answer["leftover_pids"]) == ("cancelled", True, []), answer
    return took
