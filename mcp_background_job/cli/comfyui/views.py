"""What is shown of a prompt or a batch while it is watched: nothing, or for a pipe a line for each change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

from mcp_background_job.cli import terminal
from mcp_background_job.cli.escaping import escaped

Seen = TypeVar("Seen")
Seen_contra = TypeVar("Seen_contra", contravariant=True)


class View(Protocol[Seen_contra]):
    """Shows what goes on; how it ended is told afterwards."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, seen: Seen_contra, /) -> None:
        """Take a look."""
        ...


class Nothing(Generic[Seen]):
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, seen: Seen, /) -> None:
        pass


class Lines(Nothing[Seen]):
    """Writes a line whenever what is watched has got on."""

    def __init__(self, place: Callable[[Seen], object], line: Callable[[Seen], str]) -> None:
        """Has shown nothing yet.

        Args:
            place: how far it is; ``None`` if it is over, which others tell.
            line: what to write of it.
        """
        self._place = place
        self._line = line
        self._shown: object = None

    def show(self, seen: Seen, /) -> None:
        place = self._place(seen)
        if place not in (None, self._shown):
            self._shown = place
            terminal.line(escaped(self._line(seen)))
            terminal.flush()
