"""How surely and how soon the kind of a wedge is named, beside the thread that tqdm leaves behind in ComfyUI."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bench.figures import Figure, at_least, at_most
from bench.plan import Plan
from mcp_background_job.comfyui.prompts.wedge import Wedge
from tests.comfyui.prompts.cancel_support import controlled
from tests.comfyui_simulator.nodes import graphs
from tests.patience import WAIT_S

#: The number of ComfyUIs that are wedged at a time. They only wait: except at their start, they use no processor.
_AT_ONCE = 10

#: Longer than any measurement lasts.
_FOREVER_S = 200.0

_Graph = graphs.Graph


def measure_comfyui_wedges(plan: Plan) -> list[Figure]:
    """Measure from a cancel to the verdict, for a worker that died and for a step that waits for ever."""
    times = plan.count(50, 2)
    return [
        *_figures("dead worker", graphs.sys_exit(), Wedge.WORKER_DEAD, times, bar_s=6),
        *_figures("idle hang", graphs.sleeping(_FOREVER_S), Wedge.IDLE_HANG, times, bar_s=41),
    ]


def _figures(name: str, graph: _Graph, wedge: Wedge, times: int, *, bar_s: float) -> list[Figure]:
    verdicts = asyncio.run(_all(graph, times))
    right = [took_s for named, took_s in verdicts if named is wedge]
    return [
        at_least(f"ComfyUI: {name} named so, with a tqdm thread (of {times})", len(right), "", bar=times),
        at_most(f"ComfyUI: {name} named, worst (n = {times})", max(took_s for _, took_s in verdicts), "s", bar=bar_s),
    ]


async def _all(graph: _Graph, times: int) -> list[tuple[Wedge | None, float]]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one() -> tuple[Wedge | None, float]:
        async with turns:
            return await _one(graph)

    return list(await asyncio.gather(*(one() for _ in range(times))))


async def _one(graph: _Graph) -> tuple[Wedge | None, float]:
    with tempfile.TemporaryDirectory() as directory:
        async with controlled(Path(directory)) as (control, _):
            await control.submit(graphs.stepped(1, 0.01), wait_s=WAIT_S)
            await control.look()
            cancelled = await control.cancel(await control.submit_running(graph))
            return cancelled.wedge, cancelled.took_s
