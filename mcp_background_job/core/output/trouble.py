"""Which lines of output tell that something went wrong, and where in an output the failure begins. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Every line of trouble has one of these in it, in small letters: looked for in bytes, a thousand times as fast.
NEEDLES = (
    b"error",
    b"exception",
    b"traceback",
    b"fatal",
    b"panic",
    b"fail",
    b"segmentation fault",
    b"core dumped",
    b"out of memory",
    b"not found",
)

_TROUBLE = re.compile(
    r"(?i)\b(?:\w*error|\w*exception|traceback \(most recent|fatal|panic(?:ked)?|fail(?:ed|ure)?|segmentation fault|"
    r"core dumped|out of memory|command not found)\b(?!\s*[=:]\s*(?:0|none|false)\b)|\bE\s{3}\w"
)

#: A summary that counts none, and options and names that only speak of errors.
_HARMLESS = re.compile(
    r"(?i)\b(?:0|no|without|ignor\w+|non-?fatal) (?:\w+ )?(?:error|exception|fail)\w*|-W\S*error|error[-_]\w+\.\w+|"
    r"on[-_]error|[-_]fail(?:ed|ure)?[-_]|fail[-_]?(?:fast|over|safe)|\b0 failed\b"
)

#: Lines between two of trouble that belong to one failure: a traceback has so many, and a compiler's remarks.
_TOGETHER = 40


def is_trouble(line: str) -> bool:
    """Tell whether a line says that something went wrong."""
    return bool(_TROUBLE.search(line)) and not _HARMLESS.search(line)


def failure_in(lines: Sequence[str]) -> int | None:
    """Return the number of the line in which the last failure of an output begins, ``None`` if no line tells of one.

    What is reported of one failure stands together, and what made a job fail is reported last.
    """
    first = None
    for number in range(len(lines) - 1, -1, -1):
        if first is not None and first - number > _TOGETHER:
            break
        if is_trouble(lines[number]):
            first = number
    return first
