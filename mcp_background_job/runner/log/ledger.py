"""Decides when the oldest part of a log must be dropped, and how much; touches no file."""

from __future__ import annotations

from typing import NamedTuple

#: Bytes that are dropped at once, of log and index together. Larger steps cost as much, and keep less.
STEP = 1024 * 1024

#: A small log has at least this many steps, so only a little is dropped at once.
_STEPS = 8


class Mark(NamedTuple):
    """A point in the log that is between two entries of its index."""

    offset: int
    entry: int  #: position in the index file of the next byte's entry


class Ledger:
    """Knows how much of a log and its index is kept.

    Attributes:
        step: bytes that may be written between two calls of ``passed``.
    """

    def __init__(self, capacity: int, keep: int) -> None:
        """Begins with an empty log.

        Args:
            capacity: bytes of log and index that may be kept.
            keep: bytes that remain when some are dropped.
        """
        self.step = max(1, min(STEP, capacity // _STEPS))
        self._capacity = capacity
        self._keep = min(keep, capacity - 2 * self.step)
        self._kept = Mark(0, 0)
        self._marks: list[Mark] = []

    def room(self, now: Mark) -> int:
        """Return how many more bytes there is room for, if log and index end at ``now``."""
        return self._capacity - _between(self._kept, now)

    def passed(self, now: Mark) -> bool:
        """Note that log and index end at ``now``; returns whether bytes up to there may be dropped later."""
        is_mark = _between(self._marks[-1] if self._marks else self._kept, now) >= self.step
        if is_mark:
            self._marks.append(now)
        return is_mark

    def oldest(self, now: Mark) -> Mark | None:
        """Return the mark up to which bytes should be dropped; ``None`` if there is none."""
        for mark in self._marks:
            if _between(mark, now) <= self._keep:
                return mark
        return self._marks[-1] if self._marks else None

    def drop(self, mark: Mark) -> None:
        """Note that all bytes before a mark are dropped."""
        self._kept = mark
        self._marks = [later for later in self._marks if later.offset > mark.offset]


def _between(older: Mark, newer: Mark) -> int:
    return newer.offset - older.offset + newer.entry - older.entry
