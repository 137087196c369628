"""What a measurement is given."""

from __future__ import annotations

from dataclasses import dataclass

from bench.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        workspace: where.
        quick: with fewer samples and smaller sizes: to see that everything works, not for the record.
        peer: command of a server to be measured against instead of the floor server.
    """

    workspace: Workspace
    quick: bool = False
    peer: str | None = None

    def count(self, whole: int, quick: int) -> int:
        """Return the number or size for this run."""
        return quick if self.quick else whole
