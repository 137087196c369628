"""Jobs that are started again when they fail: the program that runs them (``processes.again``), and its notes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mcp_background_job.core.values import frozen

#: Name of the file in the job's directory.
ATTEMPTS_FILE = "attempts"

#: Seconds from the first failure to the next attempt; each further failure doubles it.
FIRST_S = 1.0

#: Repetitions in a row after which the job gives up: with the back-off some five minutes, in which a dependency may
#: come up, and after which somebody has to look.
MOST = 10

_HELPER = str(Path(__file__).parent.parent / "processes" / "again.py")
_WORDS = 7

#: More than one line of the file has bytes.
_TAIL = 4096


@frozen
class Attempt:
    """The newest attempt of a job.

    Attributes:
        number: 1 for the first.
        before: how the one before ended and how long it took; ``None`` for the first.
        begins_at: when it begins or began (seconds since the epoch); 0 for the first.
        is_last: it has failed, and there will be no other.
    """

    number: int
    before: str | None = None
    begins_at: float = 0.0
    is_last: bool = False


def repeated(argv: Sequence[str], path: str, most: int = MOST) -> list[str]:
    """Return the command that runs another command again when it fails, at most this often in a row."""
    return [sys.executable, "-I", "-S", _HELPER, path, f"{FIRST_S:g}", str(most), *argv]


def once(argv: Sequence[str]) -> list[str]:
    """Return the command that was given to ``repeated``."""
    return list(argv[_WORDS:])


def most_of(argv: Sequence[str]) -> int:
    """Return how often ``repeated`` was to run it again; a spec may be forged, so the usual number if it says none."""
    word = argv[_WORDS - 1] if len(argv) >= _WORDS else ""
    return int(word) if word.isdecimal() else MOST


def newest(path: str) -> Attempt:
    """Return the newest attempt in a file; call it in a thread."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            lines = file.read().splitlines()
        last = json.loads(lines[-1])
        begins_at, number = last["begins_at"], int(last["attempt"])
        before = f"attempt {last['failed']} ended with {last['ended']} after {last['lived_s']:.1f} s"
    except (OSError, ValueError, LookupError, TypeError):  # nothing is noted yet, or not wholly
        return Attempt(1)
    return Attempt(number, before, begins_at or 0.0, is_last=begins_at is None)


@frozen
class Failed:
    """An attempt that failed: how it ended, and how the line of the output begins that says so."""

    how: str
    line: str


def ended_after(path: str, moment: float) -> Failed | None:
    """Return the first attempt that ended after a moment (seconds since the epoch); call it in a thread."""
    try:
        with open(path, "rb") as file:
            lines = [json.loads(line) for line in file.read().splitlines()]
        for line in lines:
            # When an attempt ended is not noted, but when the next one begins, which is later.
            if line["begins_at"] is None or line["begins_at"] > moment:
                return Failed(str(line["ended"]), f"[mcp-background-job: attempt {line['failed']} ended with")
    except (OSError, ValueError, LookupError, TypeError):  # nothing is noted yet, or not wholly
        pass
    return None


def told_of(path: str, *, ended_at: float | None = None) -> str | None:
    """Return a sentence on the newest attempt in a file; call it in a thread."""
    return told(newest(path), ended_at=ended_at)


def told(attempt: Attempt, *, ended_at: float | None = None) -> str | None:
    """Return a sentence on an attempt; nothing for the first one.

    Args:
        attempt: the job's newest.
        ended_at: when the job ended (seconds since the epoch), ``None`` if it has not.
    """
    if attempt.before is None:
        return None
    return f"{attempt.before}; {_since(attempt, ended_at)}"


def _since(attempt: Attempt, ended_at: float | None) -> str:
    if attempt.is_last:
        return "it has failed too often and is not started again"
    if ended_at is not None:
        when = "before" if attempt.begins_at > ended_at else "in"
        return f"the job ended {when} attempt {attempt.number}"
    wait_s = attempt.begins_at - time.time()
    return f"attempt {attempt.number} begins in {wait_s:.0f} s" if wait_s > 0 else f"attempt {attempt.number} runs"
