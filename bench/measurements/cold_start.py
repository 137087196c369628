"""From starting a server's process to its first answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.client import ServerProcess
from bench.figures import Figure, ratio
from bench.plan import Plan

_BAR = 1.15


def measure_cold_start(plan: Plan) -> list[Figure]:
    """Spawn to ``initialize`` answered, against a FastMCP server without tools."""
    space, state = plan.workspace, plan.workspace.state_dir()
    ours: list[float] = []
    floor: list[float] = []
    for round_number in range(plan.count(15, 3) + 1):
        took = (time_start(lambda: space.ours(state, toolsets="auto")), time_start(lambda: space.floor("empty")))
        if round_number:  # the first fills the caches, of bytecode and of the kernel
            ours.append(took[0])
            floor.append(took[1])
    return [ratio("cold start, against a FastMCP server without tools", ours, floor, bar=_BAR)]


def time_start(start: Callable[[], ServerProcess]) -> float:
    """Start a server, shake hands and end it; returns the seconds of the first two."""
    began = time.perf_counter()
    server = start()
    server.initialize()
    took = time.perf_counter() - began
    server.close()
    return took
