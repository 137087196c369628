"""When a job is looked at for its use of the machine, and which of those looks are kept.

The newest look is always there and never old, while the number of those that are kept is bounded for a life of any
length. So the two are apart: looks come at ``interval_s``; kept are those that are ``spacing`` apart, which grows.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Looks that are kept of one job: more than a chart is wide, and 43 kB.
MAX_POINTS = 600

#: After a minute looks become rarer, in step with the job's age; and sooner while nothing happens in it. A look costs
#: up to 0.5 ms, where the runner has slept since the last: a hundred jobs at rest, looked at every second, would take
#: 5 % of a core. The newest look is never older than a person takes to notice.
SHORTEST_INTERVAL_S = 1.0
LONGEST_INTERVAL_S = 10.0
_EVERY_SECOND_UNTIL_S = 60.0

#: Points left when the kept ones are thinned. Half of the room, so that it is filled again, and thinned, only when the
#: job is twice as old.
_LEFT_BY_THINNING = MAX_POINTS // 2


def interval_s(age_s: float, rest_s: float) -> float:
    """Return the time until the next look at a job.

    Args:
        age_s: seconds since it was started.
        rest_s: seconds for which nothing of what is looked at has changed.
    """
    return min(max(SHORTEST_INTERVAL_S, age_s / _EVERY_SECOND_UNTIL_S, rest_s), LONGEST_INTERVAL_S)


def thinned(times: Sequence[float]) -> tuple[list[int], float]:
    """Choose what is kept of too many points.

    Args:
        times: when each was taken, in ascending order; not empty.

    Returns:
        the places of those to keep, which always has the first and the last, and the spacing from now on.
    """
    spacing = (times[-1] - times[0]) / _LEFT_BY_THINNING
    kept = [0]
    for place in range(1, len(times)):
        if times[place] - times[kept[-1]] >= spacing:
            kept.append(place)
    if kept[-1] != len(times) - 1:
        kept.append(len(times) - 1)
    return kept, spacing
