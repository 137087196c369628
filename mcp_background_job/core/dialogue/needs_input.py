"""Recognises jobs that ended because their input was closed: by their command, or by their last output.

The kernel does not show that a process has read the end of its input.
"""

from __future__ import annotations

import re

from mcp_background_job.core.dialogue.asking import is_prompt
from mcp_background_job.core.dialogue.programs import Needed, stdin_for
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome

#: A command that lasts longer and ends with success had something else to do. The Tailwind CLI takes seconds.
_AT_ONCE_S = 60.0

#: Bytes of output that hold its last lines.
LAST_BYTES = 2048

#: A program says why it failed in one of this many last lines.
_LAST_LINES = 3

#: Words of programs that found no input when they asked for some, or that want a terminal. Expressions are compiled
#: when they are needed.
_MISSED: tuple[tuple[str, Needed], ...] = (
    (r"EOFError: EOF when reading a line", "pipe"),  # Python
    (r".*end of file reached \(EOFError\)", "pipe"),  # Ruby
    (r".*java\.util\.NoSuchElementException: No line found", "pipe"),
    (r".*Do you want to continue\? \[Y/n\] Abort\.", "pipe"),  # apt
    (r"(?i).*(input|stdin|standard input)( device)? is(n't| not) (from )?a (tty|terminal)\b.*", "pty"),
    (r".*a terminal is required to (read the password|authenticate).*", "pty"),  # sudo
    (r".*you must specify '--save', '--no-save' or '--vanilla'.*", "pty"),  # R
)


def missed_input(job: Job, stdin: str, last: bytes, *, has_text: bool) -> str | None:
    """Return a sentence on a job that ended because its input was closed; ``None`` for any other job.

    Args:
        job: a job that has ended.
        stdin: the kind of stdin that it was started with.
        last: the last ``LAST_BYTES`` of its output, if it failed.
        has_text: it was given text as input, and has read that.
    """
    if stdin != "closed" or has_text or job.started_at is None:
        return None
    if job.outcome is Outcome.FAILED:
        needed = _needed_by_words(last)
        return needed and _told("its last words ask for input", needed)
    at_once = (job.ended_at or job.started_at) - job.started_at <= _AT_ONCE_S
    if job.outcome is not Outcome.COMPLETED or not at_once:
        return None
    needed = stdin_for(job.command)
    return needed and _told("a program that runs like this ends with its input", needed)


def _told(why: str, needed: Needed) -> str:
    return f'its stdin was closed, and {why}: to have it go on, pass stdin="{needed}"'


def _needed_by_words(last: bytes) -> Needed | None:
    text = last.decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]
    for pattern, needed in _MISSED:
        if any(re.fullmatch(pattern, line) for line in lines):
            return needed
    # A prompt ends with a space, before the answer; other output without a line end does not.
    return "pipe" if text.endswith(" ") and lines and is_prompt(lines[-1]) else None
