"""When each line of a log was written, from the log's index."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime

from mcp_background_job.executors.base import Store


class Stamps:
    """Looks up times by offset; offsets must not go back."""

    def __init__(self, store: Store, job_id: str) -> None:
        """Reads nothing yet."""
        self._store = store
        self._job_id = job_id
        self._offsets: list[int] = []
        self._times: list[float] = []
        self._end = 0

    def at(self, offset: int) -> str:
        """Return when the byte at an offset was written, in local time; blank as wide as that if it is not known."""
        if offset >= self._end:
            self._load(offset)
        index = bisect_right(self._offsets, offset) - 1
        if index < 0 or offset >= self._end:
            return " " * len(_text(0.0))
        return _text(self._times[index])

    def _load(self, offset: int) -> None:
        entries = self._store.entries(self._job_id, offset)
        self._offsets = [entry.offset for entry in entries]
        self._times = [entry.at for entry in entries]
        self._end = max((entry.end for entry in entries), default=0)


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().isoformat(sep=" ", timespec="milliseconds")
