"""Whether a program asks for something: what its output ends with, and what it does about its input."""

from __future__ import annotations

import re

#: What prompts end with: of shells, of interpreters, and questions. A number before the % is progress, though. Pagers
#: put theirs between dashes, of which a line of dashes has more; and some say what to press.
_PROMPT = re.compile(
    r"([:?>$#»\u276f\u203a\u279c\u03bb\])]|(?<!\d)%|(?<!-)--|"
    r"\b(?i:press|hit)\b.*\b(?i:key|enter|return|space)\b.*)\s*\Z"
)


def is_prompt(line: str) -> bool:
    """Tell whether a line that is not finished looks like a prompt."""
    return _PROMPT.search(line) is not None


def asks(how: str, mode: str, line: str) -> bool:
    """Tell whether a job waits for input.

    Args:
        how: what it does about its input, as in ``executors.waits.Waits``.
        mode: of its input, as there.
        line: what its output ends with, if that is not a finished line.
    """
    if how == "read":
        return True
    # Who polls may wait for anything: that it asks is what tells; or that it took the keyboard, as menus do.
    return how in ("poll", "unknown") and bool(line) and (is_prompt(line) or (how == "poll" and mode == "raw"))
