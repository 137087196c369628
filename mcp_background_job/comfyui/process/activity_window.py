"""The recent activity of a server's threads: a rolling window of samples. Pure."""

from __future__ import annotations

from mcp_background_job.processes.threads import Activity, all_idle

#: Seconds of the window. If a process worked at first and hangs now, it counts as idle after this time; a process that
#: works does some work within it.
WINDOW_S = 10.0

#: Seconds: a shorter window tells nothing.
SHORTEST_S = 2.0


class ActivityWindow:
    """Samples of one process, by the times when they were taken (seconds of a monotonic clock)."""

    def __init__(self) -> None:
        """Starts without samples."""
        self._samples: list[tuple[float, Activity]] = []

    def add(self, at: float, activity: Activity | None) -> None:
        """Add the newest sample; one without threads tells nothing and is left out."""
        if activity is None or not activity.threads:
            return
        self._samples.append((at, activity))
        while len(self._samples) > 1 and at - self._samples[1][0] >= WINDOW_S:
            del self._samples[0]

    @property
    def over_s(self) -> float:
        """The length of the window in seconds."""
        return self._samples[-1][0] - self._samples[0][0] if self._samples else 0.0

    def idle(self) -> bool | None:
        """Tell whether no thread did anything; ``None`` if that is unknown."""
        return all_idle([activity for _, activity in self._samples]) if self.over_s >= SHORTEST_S else None

    def cpu_share(self) -> float | None:
        """Return the share of one processor that the process used; ``None`` if that is unknown."""
        if self.over_s < SHORTEST_S:
            return None
        (_, first), (_, last) = self._samples[0], self._samples[-1]
        # The time of a thread that has ended is no longer counted.
        return max(0.0, last.cpu_s - first.cpu_s) / self.over_s
