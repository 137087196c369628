"""The locks of batches, which keep feeders and the dispatchers of release 1.0.0 off each other's batches.

If two worked on one batch, one could take a prompt that the other has claimed and not yet sent for one that a dead
feeder left behind, and both would send it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mcp_background_job.executors import lanes, locks
from mcp_background_job.jobdir import lock


class BatchLocks:
    """The batches that this feeder works on."""

    def __init__(self, directory: Path) -> None:
        """Takes the directory of the locks; acquires none."""
        self._directory = directory
        self._held: dict[str, int] = {}

    async def take(self, batch_ids: Iterable[str]) -> set[str]:
        """Acquire the locks that are free; returns those that were not held before."""
        new = [batch_id for batch_id in batch_ids if batch_id not in self._held]
        for batch_id in new:
            path = str(self._path(batch_id))
            descriptor = await lanes.hold(lambda path=path: lock.acquire(path), locks.let_go)
            if descriptor is not None:
                self._held[batch_id] = descriptor
        return {batch_id for batch_id in new if batch_id in self._held}

    def holds(self, batch_id: str) -> bool:
        """Tell whether this feeder works on a batch."""
        return batch_id in self._held

    @property
    def held(self) -> list[str]:
        """The batches that this feeder works on."""
        return list(self._held)

    async def give_back(self, batch_id: str) -> None:
        """Release the lock of a batch that is over."""
        # A process that waits with the old file open gets its lock, and finds that there is nothing to do.
        await lanes.write(self._path(batch_id).unlink, missing_ok=True)
        locks.let_go(self._held.pop(batch_id))

    def close(self) -> None:
        """Release all locks: other feeders continue."""
        while self._held:
            locks.let_go(self._held.popitem()[1])

    def _path(self, batch_id: str) -> Path:
        return self._directory / f"batch-{batch_id}.lock"
