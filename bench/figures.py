"""Figures, and how they are made of samples."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MS_PER_S = 1000.0
KIB_PER_MIB = 1024.0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        what: the measurement, with the number of samples.
        floor: the time of the floor server or the peer; empty without one.
        ours: the time of this project; empty if ``figure`` says it.
        figure: the ratio, or the figure itself.
        bar: the most that the figure may be, or the least; empty without a bar.
        kept: whether the figure keeps the bar; ``None`` without a bar.
    """

    what: str
    floor: str = ""
    ours: str = ""
    figure: str
    bar: str = ""
    kept: bool | None = None


def p50(samples: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(samples)


def p99(samples: Sequence[float]) -> float:
    """Return the value that 99 of 100 samples do not exceed; with fewer than 100 samples, the largest."""
    ranked = sorted(samples)
    return ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]


def ratio(what: str, ours: Sequence[float], floor: Sequence[float], *, bar: float | None = None) -> Figure:
    """Compare the medians of two series of seconds that were measured in turns."""
    assert len(ours) == len(floor), f"{what}: {len(ours)} samples against {len(floor)}"
    value = p50(ours) / p50(floor)
    return Figure(
        what=f"{what} (n = {len(ours)})",
        floor=as_time(p50(floor)),
        ours=as_time(p50(ours)),
        figure=f"{value:.2f}x",
        bar=f"≤ {bar:g}x" if bar is not None else "",
        kept=value <= bar if bar is not None else None,
    )


def at_most(what: str, value: float, unit: str, *, bar: float | None = None, digits: int = 2) -> Figure:
    """Make a figure that may be no larger than its bar."""
    return Figure(
        what=what,
        figure=f"{value:,.{digits}f} {unit}",
        bar=f"≤ {bar:,g} {unit}" if bar is not None else "",
        kept=value <= bar if bar is not None else None,
    )


def at_least(what: str, value: float, unit: str, *, bar: float) -> Figure:
    """Make a figure that may be no smaller than its bar."""
    return Figure(what=what, figure=f"{value:,.0f} {unit}", bar=f"≥ {bar:,g} {unit}", kept=value >= bar)


def as_time(seconds: float) -> str:
    """Return a time as the table shows it."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * MS_PER_S:.1f} ms"
