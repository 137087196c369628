"""Which lines of output report that something went wrong, and where in an output the failure begins. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Every line of trouble holds one of these in small letters: to search bytes for them is a thousand times as fast.
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

#: Summaries that count no errors, and options and names that hold such a word.
_HARMLESS = re.compile(
    r"(?i)\b(?:0|no|without|ignor\w+|non-?fatal) (?:\w+ )?(?:error|exception|fail)\w*|-W\S*error|error[-_]\w+\.\w+|"
    r"on[-_]error|[-_]fail(?:ed|ure)?[-_]|fail[-_]?(?:fast|over|safe)|\b0 failed\b"
)

#: Lines between two lines of trouble that belong to one failure: as many as a traceback or a compiler's remarks have.
_TOGETHER = 40


def is_trouble(line: str) -> bool:
    """Tell whether a line says that something went wrong."""
    return bool(_TROUBLE.search(line)) and not _HARMLESS.search(line)


def failure_in(lines: Sequence[str]) -> int | None:
    """Return the index of the line in which the last failure of an output begins; ``None`` if no line reports one.

    Lines about one failure stand together, and the failure that made a job fail comes last.
    """
    first = None
    for number in range(len(lines) - 1, -1, -1):
        if first is not None and first - number > _TOGETHER:
            break
        if is_trouble(lines[number]):
            first = number
    return first
