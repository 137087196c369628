"""Whether a job waits for input, as its runner reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Waits:
    """What a job does about its input at one moment.

    Attributes:
        how: ``read``: it waits in a read of its input. ``poll``: it sleeps, and input may be one of the events that
            wake it. ``no``: it does something else. ``unknown``: this cannot be told.
        block: changes whenever the waiting process has woken up in between; empty if unknown.
        mode: the mode of its input: ``closed``, ``pipe``, or, for a terminal, ``line``, which delivers whole lines, or
            ``raw``.
        unread: bytes of input on their way to it; those in a terminal cannot be counted.
        size: bytes of output, including all that it wrote before it began to wait.
    """

    how: str
    block: str = ""
    mode: str = ""
    unread: int = 0
    size: int = 0

    @classmethod
    def from_answer(cls, answer: dict[str, Any]) -> Waits:
        """Read the answer of a runner."""
        return cls(
            how=answer["waits"],
            block=answer["block"],
            mode=answer["mode"],
            unread=answer["unread"] + answer["queued"],
            size=answer["size"],
        )


#: For a job whose runner cannot tell: it is of release 1.0.0, or of a system where nobody can tell.
UNKNOWN = Waits(how="unknown")
