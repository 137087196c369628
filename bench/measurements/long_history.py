"""The time of calls with very many ended jobs: while the index is filled, at rest, and while others start or search."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator
from typing import Any

from bench.client import ServerProcess, facts_of
from bench.figures import MS_PER_S, Figure, at_most, p50, p99
from bench.measurements.history import write_history
from bench.plan import Plan

_BAR_MS = 20.0

#: Seconds between two starts of jobs by the other server: a few busy agents start as many together.
_BETWEEN_STARTS_S = 0.5

#: Seconds between two calls, as from a person or an agent that thinks.
_BETWEEN_CALLS_S = 0.05

#: Filling the index takes about a minute; a server that takes this long is at fault.
_FILLED_S = 600.0


def measure_long_history(plan: Plan) -> list[Figure]:
    """Measure calls of all kinds in turns: while the index is filled, at rest, while others start jobs, and search."""
    space, jobs = plan.workspace, plan.count(100_000, 1_000)
    state = space.state_dir()
    newest = write_history(state, jobs)
    rounds = plan.count(60, 5)
    with space.ours(state) as server, space.ours(state) as other:
        live = facts_of(other.call("execute_command", command="sleep 1800", name="live", wait_s=0))["job_id"]
        calls = _calls(live, newest)
        figures = _figures(f"{jobs:,} ended jobs, the index is being filled", _while_filling(server, calls))
        figures += _figures(f"{jobs:,} ended jobs, nobody starts any", _in_turns(server, calls, rounds))
        with _starting(other):
            figures += _figures(f"{jobs:,} ended jobs, others start more", _in_turns(server, calls, rounds))
            searched = _in_turns(server, calls, rounds, searching=True)
            figures += _figures(f"{jobs:,} ended jobs, others start more and a page searches them", searched)
        other.call("kill_job", job_id=live)
    return figures


def _calls(live: str, ended: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("list_jobs", {}),
        ("list_jobs", {"status": "failed"}),
        ("list_jobs", {"name": "live"}),
        ("get_job_status", {"job_id": live}),
        ("get_job_status", {"job_id": ended}),
        ("get_job_status", {"job_id": "live"}),
        ("tail_job_output", {"job_id": ended}),
    ]


def _while_filling(server: ServerProcess, calls: list[tuple[str, dict[str, Any]]]) -> list[float]:
    """Make calls until a list no longer says that it lacks jobs."""
    samples: list[float] = []
    deadline = time.monotonic() + _FILLED_S
    while "note" in facts_of(server.call("list_jobs", limit=1)) or not samples:
        assert time.monotonic() < deadline, "the index is not filled"
        samples += _in_turns(server, calls, 1)
    return samples


def _in_turns(
    server: ServerProcess, calls: list[tuple[str, dict[str, Any]]], rounds: int, *, searching: bool = False
) -> list[float]:
    samples: list[float] = []
    for number in range(rounds):
        if searching:  # for what no job has, so all are looked through
            shown = {"jobs": {"subject": "jobs", "args": {"text": f"no such command {number}"}, "cursor": None}}
            server.begin(
                "page_look", action="watch", args={"page": "search", "shown": shown, "wait_s": _BETWEEN_CALLS_S}
            )
        for tool, arguments in calls:
            began = time.perf_counter()
            server.call(tool, **arguments)
            samples.append((time.perf_counter() - began) * MS_PER_S)
            time.sleep(_BETWEEN_CALLS_S)
    return samples


@contextlib.contextmanager
def _starting(server: ServerProcess) -> Generator[None]:
    """Make a server start short jobs meanwhile."""
    is_over = threading.Event()

    def start() -> None:
        while not is_over.wait(_BETWEEN_STARTS_S):
            server.call("execute_command", command="true", wait_s=0)

    starter = threading.Thread(target=start)
    starter.start()
    try:
        yield
    finally:
        is_over.set()
        starter.join()


def _figures(what: str, samples: list[float]) -> list[Figure]:
    return [
        at_most(f"{what}: a call of seven kinds, p50 (n = {len(samples)})", p50(samples), "ms"),
        at_most("the same, p99", p99(samples), "ms", bar=_BAR_MS),
    ]
