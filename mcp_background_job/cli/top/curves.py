"""Draws what a job used, over its life, as one line of bars. Pure.

Bars begin at zero, and stand for equal lengths of time: samples are rarer the older a job is. The library's sparkline
has one bar for each value, and its smallest value at the bottom, so that a job at rest would look like a busy one.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Nothing, and then bars of growing height.
BARS = " ▁▂▃▄▅▆▇█"

#: A moment, and what was true from the one before until then; ``None`` where that is not known.
Point = tuple[float, float | None]


def bars(points: Sequence[Point], width: int, *, least_top: float) -> str:
    """Return points as so many bars, the highest of a stretch of time for each.

    Args:
        points: in the order of time.
        width: cells.
        least_top: what fills a cell at least: a curve of next to nothing must look like nothing.
    """
    if not points or width < 1:
        return " " * max(0, width)
    begin, end = points[0][0], points[-1][0]
    highest = [0.0] * width
    before = begin
    for moment, value in points:
        for place in range(_place(before - begin, end - begin, width), _place(moment - begin, end - begin, width) + 1):
            highest[place] = max(highest[place], value or 0.0)
        before = moment
    top = max(least_top, *highest)
    return "".join(BARS[_height(value / top)] for value in highest)


def _height(share: float) -> int:
    """Return which bar: anything at all is seen."""
    return 0 if share <= 0 else max(1, round(share * (len(BARS) - 1)))


def _place(since: float, whole: float, width: int) -> int:
    return min(width - 1, int(since / whole * width)) if whole > 0 else width - 1
