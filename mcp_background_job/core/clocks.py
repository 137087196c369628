"""Spans of time that do not follow the clock when somebody sets it."""

from __future__ import annotations

#: A clock that is only kept right is moved by less at once; one that was set, by more.
JUMP_S = 5.0


def begun_at(noted: float, *, passed_s: float, now: float) -> float:
    """Return when something began: as the clock showed it then, unless the clock has jumped since.

    Args:
        noted: what the clock showed, in seconds since the epoch.
        passed_s: how long ago that was, by a clock that nobody sets.
        now: what the clock shows now; what is returned is by this clock then.
    """
    steady = now - passed_s
    return noted if abs(steady - noted) < JUMP_S else round(steady)


def went_steadily(*, by_clock_s: float, passed_s: float) -> bool:
    """Tell whether the clock went on by as much as has passed."""
    return abs(by_clock_s - passed_s) < JUMP_S
