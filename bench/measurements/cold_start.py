"""The time from the start of a server's process to its first answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.client import ServerProcess
from bench.figures import Figure, ratio
from bench.plan import Plan

_BAR = 1.15
_BAR_AS_MANY = 1.05


def measure_cold_start(plan: Plan) -> list[Figure]:
    """Measure from the start of the process to the answer to ``initialize``, with all tools and with ``auto``.

    The floors are FastMCP servers without tools, and with as many tools that do nothing.
    """
    space, state = plan.workspace, plan.workspace.state_dir()
    with space.ours(state, toolsets="all") as server:
        tools = len(server.request("tools/list", {})["tools"])
    auto, everything, empty, as_many = series = [list[float]() for _ in range(4)]
    for round_number in range(plan.count(15, 3) + 1):
        took = (
            time_start(lambda: space.ours(state, toolsets="auto")),
            time_start(lambda: space.ours(state, toolsets="all")),
            time_start(lambda: space.floor("empty", "0")),
            time_start(lambda: space.floor("empty", str(tools))),
        )
        if round_number:  # the first round fills the caches of bytecode and of the kernel
            for samples, seconds in zip(series, took, strict=True):
                samples.append(seconds)
    what = f"cold start with all tools, against an empty FastMCP server with as many ({tools})"
    return [
        ratio("cold start, against a FastMCP server without tools", auto, empty, bar=_BAR),
        ratio(what, everything, as_many, bar=_BAR_AS_MANY),
    ]


def time_start(start: Callable[[], ServerProcess]) -> float:
    """Start a server, shake hands and end it; returns the seconds of the start and the handshake."""
    began = time.perf_counter()
    server = start()
    server.initialize()
    took = time.perf_counter() - began
    server.close()
    return took
