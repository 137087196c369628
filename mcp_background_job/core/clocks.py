"""Lengths of time that stay right when the clock is set."""

from __future__ import annotations

#: Seconds. Synchronisation moves a clock by less at once; setting it moves it by more.
JUMP_S = 5.0


def begun_at(noted: float, *, passed_s: float, now: float) -> float:
    """Return when something began: the time that was noted, unless the clock has jumped since.

    Args:
        noted: the time that the clock showed then, in seconds since the epoch.
        passed_s: how long ago that was, by a monotonic clock.
        now: the time that the clock shows now; after a jump, the result is in terms of this clock.
    """
    steady = now - passed_s
    return noted if abs(steady - noted) < JUMP_S else round(steady)


def went_steadily(*, by_clock_s: float, passed_s: float) -> bool:
    """Tell whether the clock advanced by as much time as has passed."""
    return abs(by_clock_s - passed_s) < JUMP_S
