"""What the threads of a server did lately: a window of samples that rolls on. Pure."""

from __future__ import annotations

from mcp_background_job.processes.threads import Activity, all_idle

#: The window grows to this and then rolls. What worked at first and hangs now is idle so long after, and whoever does
#: anything at all does some of it meanwhile.
WINDOW_S = 10.0

#: A shorter one says nothing.
SHORTEST_S = 2.0


class ActivityWindow:
    """Samples of one process, by when they were taken (seconds of a monotonic clock)."""

    def __init__(self) -> None:
        """Begins without any."""
        self._samples: list[tuple[float, Activity]] = []

    def add(self, at: float, activity: Activity | None) -> None:
        """Add the newest sample; one without threads says nothing and is left out."""
        if activity is None or not activity.threads:
            return
        self._samples.append((at, activity))
        while len(self._samples) > 1 and at - self._samples[1][0] >= WINDOW_S:
            del self._samples[0]

    @property
    def over_s(self) -> float:
        """How long the window is."""
        return self._samples[-1][0] - self._samples[0][0] if self._samples else 0.0

    def idle(self) -> bool | None:
        """Tell whether no thread did anything; ``None`` if that cannot be known."""
        return all_idle([activity for _, activity in self._samples]) if self.over_s >= SHORTEST_S else None

    def cpu_share(self) -> float | None:
        """Return how much of one processor the process used; ``None`` if that cannot be known."""
        if self.over_s < SHORTEST_S:
            return None
        (_, first), (_, last) = self._samples[0], self._samples[-1]
        # What a thread that ended has used is no longer counted.
        return max(0.0, last.cpu_s - first.cpu_s) / self.over_s
