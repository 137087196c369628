"""What there is at a place, for people who want to know where to start something."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a place that can be asked for by its name.

    Attributes:
        name: empty if the place has no parts.
        nodes: machines in it.
        nodes_up: those that take jobs.
        cpus: of those that take jobs.
        cpus_free: that no job has, ``None`` if nobody counts them.
        gpus: of those that take jobs, ``None`` if nobody counts them.
        gpus_free: that no job has.
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
    """A place.

    Attributes:
        place: its name.
        parts: what it is made of.
        waiting: how many of this user's jobs wait there, by the reason why.
        trouble: why it cannot be used, or looked at now.
        warnings: what could be better, and how.
    """

    place: str
    parts: list[Part] = field(default_factory=list[Part])
    waiting: dict[str, int] = field(default_factory=dict[str, int])
    trouble: str | None = None
    warnings: list[str] = field(default_factory=list[str])
