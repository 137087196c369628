"""The plan of a run: where and how much is measured."""

from __future__ import annotations

from dataclasses import dataclass

from bench.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        workspace: the directory and the servers of the run.
        quick: take fewer samples and smaller sizes, only to see that everything works.
        peer: the command of a server that replaces the floor server.
    """

    workspace: Workspace
    quick: bool = False
    peer: str | None = None

    def count(self, whole: int, quick: int) -> int:
        """Return the number or size for this run."""
        return quick if self.quick else whole
