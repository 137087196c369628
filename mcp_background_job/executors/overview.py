"""The resources of a place, for people who want to know where to start a job."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a place that jobs can choose by its name.

    Attributes:
        name: empty if the place has no parts.
        nodes: the number of its machines.
        nodes_up: the number of machines that take jobs.
        cpus: the CPUs of the machines that take jobs.
        cpus_free: the CPUs that no job has, ``None`` if that is unknown.
        gpus: the GPUs of the machines that take jobs, ``None`` if that is unknown.
        gpus_free: the GPUs that no job has, ``None`` if that is unknown.
    """

    name: str
    nodes: int
    nodes_up: int
    cpus: int
    cpus_free: int | None = None
    gpus: int | None = None
    gpus_free: int | None = None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A place and its resources.

    Attributes:
        place: its name.
        parts: its parts.
        waiting: how many of this user's jobs wait there, by reason.
        trouble: why it cannot be used or looked at now.
        warnings: possible improvements.
    """

    place: str
    parts: list[Part] = field(default_factory=list[Part])
    waiting: dict[str, int] = field(default_factory=dict[str, int])
    trouble: str | None = None
    warnings: list[str] = field(default_factory=list[str])
