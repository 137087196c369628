"""Whether a program asks for something: the end of its output, and its state about its input."""

from __future__ import annotations

import re

#: The ends of prompts of shells and interpreters, and of questions. A number before a % is progress, though. Pagers put
#: their prompts between dashes, but a line of dashes has more of them. Some programs say which key to press.
_PROMPT = re.compile(
    r"([:?>$#»\u276f\u203a\u279c\u03bb\])]|(?<!\d)%|(?<!-)--|"
    r"\b(?i:press|hit)\b.*\b(?i:key|enter|return|space)\b.*)\s*\Z"
)


def is_prompt(line: str) -> bool:
    """Tell whether an unfinished line looks like a prompt."""
    return _PROMPT.search(line) is not None


def asks(how: str, mode: str, line: str) -> bool:
    """Tell whether a job waits for input.

    Args:
        how: what it does about its input, as in ``executors.waits.Waits``.
        mode: mode of its input, as there.
        line: the end of its output, if that is not a finished line.
    """
    if how == "read":
        return True
    # A program that polls may wait for anything: it asks if it shows a prompt, or if it took the keyboard, as menus do.
    return how in ("poll", "unknown") and bool(line) and (is_prompt(line) or (how == "poll" and mode == "raw"))
