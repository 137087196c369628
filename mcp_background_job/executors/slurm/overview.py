"""The resources of the cluster, from Slurm. It waits for Slurm; call it in a thread of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from mcp_background_job.errors import EngineUnreachableError
from mcp_background_job.executors.overview import Overview, Part
from mcp_background_job.executors.slurm import words
from mcp_background_job.executors.slurm.commands import Commands
from mcp_background_job.executors.slurm.states import PENDING

_FIELDS = ("NodeList", "Partition", "StateLong", "CPUsState", "Gres", "GresUsed")

#: States of nodes that take no jobs, whatever character follows: ``down*``, ``idle~``.
_NOT_UP = ("down", "drain", "fail", "error", "unknown", "future", "reserved", "perfctrs", "power", "maint", "inval")

#: ``gpu:2``, ``gpu:a100:4(S:0-1)``, ``gpu:a100:1(IDX:0)``
_GPUS = re.compile(r"(?:^|,)gpu(?::[A-Za-z][^:,()]*)?:(\d+)")

_NO_CGROUPS = (
    "Slurm keeps track of processes by {kind}: if a runner is killed on its node, what its job started lives on there; "
    "with ProctrackType=proctrack/cgroup in slurm.conf nothing would"
)


def overview(commands: Commands, place: str) -> Overview:
    """Return the resources, or why they are unknown."""
    try:
        parts = parts_of(commands.nodes(_FIELDS))
        waiting = Counter(
            words.in_words(line.reason) for line in commands.queue() if line.job_id and line.state in PENDING
        )
        tracking = commands.settings().get("ProctrackType", "")
    except EngineUnreachableError as error:
        return Overview(place=place, trouble=str(error))
    is_safe = tracking in ("", "proctrack/cgroup")
    return Overview(
        place=place,
        parts=parts,
        waiting=dict(waiting),
        warnings=[] if is_safe else [_NO_CGROUPS.format(kind=tracking)],
    )


def parts_of(rows: Iterable[list[str]]) -> list[Part]:
    """Return the partitions of a cluster, from the rows of ``sinfo`` about each node in each partition."""
    found: dict[str, list[list[str]]] = {}
    for row in rows:
        found.setdefault(row[1].rstrip("*"), []).append(row)
    return [_part(name, nodes) for name, nodes in found.items()]


def _part(name: str, nodes: list[list[str]]) -> Part:
    up = [node for node in nodes if not any(word in node[2].lower() for word in _NOT_UP)]
    cpus = [_cpus(node[3]) for node in up]
    gpus, used = (sum(_gpus(node[place]) for node in up) for place in (4, 5))
    return Part(
        name=name,
        nodes=len(nodes),
        nodes_up=len(up),
        cpus=sum(total for _, total in cpus),
        cpus_free=sum(idle for idle, _ in cpus),
        gpus=gpus,
        gpus_free=max(0, gpus - used),
    )


def _cpus(text: str) -> tuple[int, int]:
    """Return how many CPUs of a node are free and how many there are, from ``allocated/idle/other/total``."""
    counts = [int(part) if part.isdecimal() else 0 for part in text.split("/")]
    return (counts[1], counts[3]) if len(counts) == len("AIOT") else (0, 0)


def _gpus(text: str) -> int:
    return sum(int(count) for count in _GPUS.findall(text))
