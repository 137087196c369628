"""Whether any node of a cluster has what a job asks for; if none has, Ray would keep the job waiting for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcp_background_job.executors.ray.rest import Node

#: Our names of the things that are asked for, by Ray's names.
_TOLD_AS = {"GPU": "gpus", "CPU": "cpus", "memory": "mem"}


def unmet(wanted: Mapping[str, float], nodes: Sequence[Node]) -> str:
    """Return in words what no node has; empty if one node has everything.

    Args:
        wanted: the amounts, by Ray's names.
        nodes: the nodes of the cluster.
    """
    for name, count in wanted.items():
        most = max((node.count(name) for node in nodes), default=0.0)
        if count > most:
            return f"no node of Ray has {_told(name, count)}; the largest has {most:g}"
    if any(all(node.count(name) >= count for name, count in wanted.items()) for node in nodes):
        return ""
    return f"no node of Ray has {' '.join(_told(name, count) for name, count in wanted.items())} together"


def _told(name: str, count: float) -> str:
    unit = " bytes" if name == "memory" else ""
    return f"{_TOLD_AS.get(name, name)}={count:g}{unit}"
