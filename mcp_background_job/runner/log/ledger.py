"""Decides when the oldest of a log must go, and how much; touches no file."""

from __future__ import annotations

from typing import NamedTuple

#: What is dropped at once, of log and index together. Larger steps cost no less, and keep less.
STEP = 1024 * 1024

#: A small log has at least so many steps, so that little is dropped at once.
_STEPS = 8


class Mark(NamedTuple):
    """A point in the log that lies between two entries of its index."""

    offset: int
    entry: int  #: where in the index file the entry of the next byte stands


class Ledger:
    """Knows how much of a log and its index is kept.

    Attributes:
        step: bytes that may be written between two calls of ``passed``.
    """

    def __init__(self, capacity: int, keep: int) -> None:
        """Begins with an empty log.

        Args:
            capacity: bytes of log and index that may be kept.
            keep: bytes that are left when some of it is dropped.
        """
        self.step = max(1, min(STEP, capacity // _STEPS))
        self._capacity = capacity
        self._keep = min(keep, capacity - 2 * self.step)
        self._kept = Mark(0, 0)
        self._marks: list[Mark] = []

    def room(self, now: Mark) -> int:
        """Return how many bytes there is room for, when all ends at ``now``."""
        return self._capacity - _between(self._kept, now)

    def passed(self, now: Mark) -> bool:
        """Take note that all ends at ``now``; returns whether that is a place up to which may be dropped later."""
        is_mark = _between(self._marks[-1] if self._marks else self._kept, now) >= self.step
        if is_mark:
            self._marks.append(now)
        return is_mark

    def oldest(self, now: Mark) -> Mark | None:
        """Return up to where should be dropped, ``None`` if there is nothing that could be."""
        for mark in self._marks:
            if _between(mark, now) <= self._keep:
                return mark
        return self._marks[-1] if self._marks else None

    def drop(self, mark: Mark) -> None:
        """Take note that all before a mark is dropped."""
        self._kept = mark
        self._marks = [later for later in self._marks if later.offset > mark.offset]


def _between(older: Mark, newer: Mark) -> int:
    return newer.offset - older.offset + newer.entry - older.entry
