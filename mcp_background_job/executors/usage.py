"""The resource usage of a running job: from its runner, from its newest sample, or from the process table."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from mcp_background_job.jobdir.usage import Sample

#: The most processes that a caller reads itself: together they take some milliseconds. If there are more, their runner
#: is asked, which holds up nobody else meanwhile.
_FEW = 50


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The resource usage of a job's processes.

    Attributes:
        processes: the number of processes.
        cpu_s: CPU seconds that they have used, including ended ones if the runner reports those.
        memory: bytes resident, the sum over all; shared pages count once for each process.
        peak_memory: the largest such sum that was seen; 0 if unknown.
        sampled_at: when this was measured (seconds since the epoch); ``None`` means now.
        ports: TCP ports that they listen on.
        commands: pid and command line of each; of the first ones, if there are many.
        pids: all pids, up to a thousand; empty if the usage comes from a sample.
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
    """Return the usage of the processes below a runner that cannot report it, such as one of release 1.0.0.

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


def seen_from_here(runner_pid: int, sample: Sample | None) -> Usage | None:
    """Return the usage of the processes below a runner of this machine, from the kernel; the runner need not wake up.

    Reads some small files for each process, so it is not for many: then it returns ``None``, as on systems whose kernel
    does not tell.

    Args:
        runner_pid: pid of the living runner.
        sample: its newest sample, which has the peak.
    """
    if sys.platform != "linux" or (sample and sample.processes > _FEW):
        return None
    from mcp_background_job.kernel import counters, sockets, tree  # noqa: PLC0415  most commands look at no process

    dead = counters.cpu_s_of_the_dead_of(runner_pid)  # first: a process that ends meanwhile is missed, never doubled
    living = tree.descendants(runner_pid)
    if not living or not sockets.are_of_network(runner_pid):
        return None
    memory = counters.memory(living)
    return Usage(
        processes=len(living),
        cpu_s=dead + counters.cpu_s(living),
        memory=memory,
        peak_memory=max(memory, sample.peak_memory if sample else 0),
        ports=sockets.ports_of(living),
        commands={process.pid: counters.command_of(process) for process in living[: counters.MAX_COMMANDS]},
        pids=frozenset(process.pid for process in living),
    )


def from_answer(answer: dict[str, Any]) -> Usage:
    """Return the usage in a runner's answer."""
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
    """Return the usage in a sample."""
    return Usage(
        processes=sample.processes,
        cpu_s=sample.cpu_s,
        memory=sample.memory,
        peak_memory=sample.peak_memory,
        sampled_at=sample.at,
    )
