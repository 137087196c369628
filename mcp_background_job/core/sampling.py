"""When the runner samples a job's use of the machine, and which samples it keeps.

The newest sample is always there and never old, while the number of kept samples is bounded however long the job lives.
So the two are apart: samples are taken every ``interval_s`` seconds, and kept if ``spacing`` apart, which grows.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Samples that are kept of one job: more than a chart is wide, and 43 kB.
MAX_POINTS = 600

#: After a minute samples become rarer, in step with the job's age, and sooner while nothing happens in it. A sample
#: costs up to 0.5 ms if the runner has slept since the last one: a hundred idle jobs, sampled every second, would take
#: 5 % of a core. The newest sample is never older than a person takes to notice.
SHORTEST_INTERVAL_S = 1.0
LONGEST_INTERVAL_S = 10.0
_EVERY_SECOND_UNTIL_S = 60.0

#: Samples that remain when the kept ones are thinned: half of the room. So the next thinning comes when the job is
#: twice as old.
_LEFT_BY_THINNING = MAX_POINTS // 2


def interval_s(age_s: float, rest_s: float) -> float:
    """Return the seconds until the next sample of a job.

    Args:
        age_s: seconds since the job was started.
        rest_s: seconds since the sampled values last changed.
    """
    return min(max(SHORTEST_INTERVAL_S, age_s / _EVERY_SECOND_UNTIL_S, rest_s), LONGEST_INTERVAL_S)


def thinned(times: Sequence[float]) -> tuple[list[int], float]:
    """Choose which of too many samples are kept.

    Args:
        times: when each sample was taken, in ascending order; not empty.

    Returns:
        the indexes of those to keep, which include the first and the last, and the spacing from now on.
    """
    spacing = (times[-1] - times[0]) / _LEFT_BY_THINNING
    kept = [0]
    for place in range(1, len(times)):
        if times[place] - times[kept[-1]] >= spacing:
            kept.append(place)
    if kept[-1] != len(times) - 1:
        kept.append(len(times) - 1)
    return kept, spacing
