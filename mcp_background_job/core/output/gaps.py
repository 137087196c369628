"""Bytes that are missing from a log, as data, and the line that stands in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from mcp_background_job.core.text import size


class Why(StrEnum):
    """The reasons why bytes are missing."""

    DROPPED = "dropped by retention"
    LOST = "not stored, disk full"


@dataclass(frozen=True, slots=True)
class Gap:
    """A place at which bytes are missing.

    Attributes:
        position: index in the data that was read, before which the bytes are missing.
        offset: in the log, of the first missing byte, or of the byte behind them if they were never stored.
        count: the number of missing bytes.
        why: why they are missing.
    """

    position: int
    offset: int
    count: int
    why: Why


def note(gap: Gap) -> str:
    """Return the line that stands in the text in place of the bytes."""
    return f"[… {size(gap.count)} {gap.why} …]"


def summary(gaps: Iterable[Gap]) -> str | None:
    """Return in words how many bytes are missing, for each reason; ``None`` if none are."""
    counts: dict[Why, int] = {}
    for gap in gaps:
        counts[gap.why] = counts.get(gap.why, 0) + gap.count
    return ", ".join(f"{size(count)} {why}" for why, count in counts.items()) or None


def within(gaps: Iterable[Gap], end: int, size_of_data: int) -> list[Gap]:
    """Return the gaps that belong to the first ``end`` of ``size_of_data`` bytes.

    A gap at ``end`` belongs to the bytes behind it. It is returned only if there are none.
    """
    return [gap for gap in gaps if gap.position < end or end == size_of_data]


def shifted(gaps: Iterable[Gap], by: int) -> list[Gap]:
    """Return the gaps of the data without its first ``by`` bytes; earlier gaps are left out."""
    return [replace(gap, position=gap.position - by) for gap in gaps if gap.position >= by]


def stretches(data: bytes, gaps: Iterable[Gap]) -> Iterator[tuple[Gap | None, int, bytes]]:
    """Cut data at its gaps: yield the bytes before all gaps, then each gap with the position and bytes behind it."""
    before, begin = None, 0
    for gap in gaps:
        yield before, begin, data[begin : gap.position]
        before, begin = gap, gap.position
    yield before, begin, data[begin:] if begin else data


def way_to_search(log_path: str, kept_from: int) -> str | None:
    """Return the command that searches a log whose beginning was dropped; ``None`` if nothing was dropped.

    Dropped bytes are a hole in the file, which reads as zeros: ``grep`` and ``rg`` would take the file for binary.
    """
    if not kept_from:
        return None
    quoted = "'" + log_path.replace("'", "'\\''") + "'" if set(log_path) & _UNSAFE else log_path
    return f"tail -c +{kept_from + 1} {quoted} | grep …"


_UNSAFE = frozenset(" \t\n'\"\\$`&|;<>()*?[]{}!#~")
