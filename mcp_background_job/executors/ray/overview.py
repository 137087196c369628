"""The resources of the cluster, from Ray. It waits for Ray; call it in a thread of its own."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from mcp_background_job.errors import EngineUnreachableError
from mcp_background_job.executors.overview import Overview, Part
from mcp_background_job.executors.ray import states
from mcp_background_job.executors.ray.rest import Head, Node


def overview(head: Head, place: str) -> Overview:
    """Return the resources, or why they are unknown."""
    try:
        head.session()
        part = part_of(head.nodes(), head.status())
        waiting = Counter(
            line.reason.partition(": ")[2] or "it gives no reason"
            for line in head.queue()
            if line.state == states.PENDING
        )
    except EngineUnreachableError as error:
        return Overview(place=place, trouble=str(error))
    return Overview(place=place, parts=[part], waiting=dict(waiting))


def part_of(nodes: list[Node], status: dict[str, Any]) -> Part:
    """Return the cluster as one part."""
    cpus, gpus = (sum(node.count(name) for node in nodes) for name in ("CPU", "GPU"))
    return Part(
        name="",
        nodes=len(nodes),
        nodes_up=len(nodes),
        cpus=int(cpus),
        cpus_free=_free(status, "CPU", cpus),
        gpus=int(gpus),
        gpus_free=_free(status, "GPU", gpus),
    )


def _free(status: dict[str, Any], name: str, total: float) -> int | None:
    """Return the amount of a resource that no job has, ``None`` if Ray does not report it."""
    report = status.get("loadMetricsReport")
    usage = cast("dict[str, Any]", report).get("usage") if isinstance(report, dict) else None
    if not isinstance(usage, dict):
        return None
    used = cast("dict[str, Any]", usage).get(name, [0.0, total])
    try:
        return max(0, int(total - float(used[0])))
    except (LookupError, TypeError, ValueError):
        return None
