"""Whether a job waits for input, as its runner tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Waits:
    """What a job does about its input at one moment.

    Attributes:
        how: ``read``: it waits in reading it. ``poll``: it sleeps, and input may be among what wakes it. ``no``: it
            does something else. ``unknown``: nobody can tell.
        block: differs whenever whoever waits has woken up since; empty if that is not known.
        mode: of its input: ``closed``, ``pipe``, or of a terminal ``line``, which hands over whole lines, or ``raw``.
        unread: bytes of input that are on their way to it; those in a terminal cannot be counted.
        size: bytes of output, all included that it wrote before it began to wait.
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


#: What is known of a job whose runner cannot tell: it is of release 1.0.0, or of a system where nobody can.
UNKNOWN = Waits(how="unknown")
