"""What the processes of a running job use, from whoever can tell: its runner, its newest sample, the process table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mcp_background_job.jobdir.usage import Sample


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the processes of a job use.

    Attributes:
        processes: how many there are.
        cpu_s: CPU seconds that they have used, those that have ended too if its runner tells.
        memory: bytes resident, the sum over all; pages that they share count once for each.
        peak_memory: the largest such sum that was seen; 0 if that is not known.
        sampled_at: when that was so (seconds since the epoch); ``None``: now.
        ports: TCP ports that they listen on.
        commands: pid and command line of each; of the first, if there are many.
        pids: of all, up to a thousand; none if they are only known by an older sample.
    """

    processes: int
    cpu_s: float
    memory: int
    peak_memory: int = 0
    sampled_at: float | None = None
    ports: list[int] = field(default_factory=list[int])
    commands: dict[int, str] = field(default_factory=dict[int, str])
    pids: frozenset[int] = frozenset()


def usage_of_tree(runner_pid: int) -> Usage | None:
    """Return what the processes below a runner use that cannot tell itself, one of release 1.0.0 for instance.

    Walks through all processes of the machine; call it in a thread.
    """
    from mcp_background_job.processes.wrapper import ProcessWrapper  # noqa: PLC0415  psutil: 70 ms that not every server needs

    try:
        tree = ProcessWrapper(runner_pid).usage_of_descendants()
    except ProcessLookupError:
        return None
    return Usage(
        processes=tree.processes,
        cpu_s=tree.cpu_s,
        memory=tree.memory,
        ports=tree.ports,
        commands=tree.commands,
        pids=frozenset(tree.commands),
    )


def from_answer(answer: dict[str, Any]) -> Usage:
    """Return what a runner answers to the question what its job uses."""
    return Usage(
        processes=answer["processes"],
        cpu_s=answer["cpu_s"],
        memory=answer["memory"],
        peak_memory=answer["peak_memory"],
        ports=answer["ports"],
        commands={int(pid): command for pid, command in answer["commands"].items()},
        pids=frozenset(answer["pids"]),
    )


def from_sample(sample: Sample) -> Usage:
    """Return what a job was seen to use."""
    return Usage(
        processes=sample.processes,
        cpu_s=sample.cpu_s,
        memory=sample.memory,
        peak_memory=sample.peak_memory,
        sampled_at=sample.at,
    )
