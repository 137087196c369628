"""Whether a program that was sent input has answered.

The best sign is that it waits for input again, having slept anew since. Where the kernel cannot tell that of it,
because it polls or is another user's, a prompt is one, or else silence, after something that is not the echo.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mcp_background_job.core.dialogue.asking import asks, is_prompt

#: A prompt is what it is when nothing has followed it for this long; on its way over a network it comes in pieces.
PROMPT_PAUSE_S = 0.2

#: Silence that ends an answer of whoever may be waiting for input.
SILENCE_S = 1.0

#: The same of whoever is known to do something else, or will ask again as it asked before: a build, or a query, may
#: well be silent for a while.
SILENCE_AT_WORK_S = 5.0

#: Whoever waits again and has said nothing, not even an echo, may be about to: the terminal hands on output a moment
#: after it was written.
NOTHING_PAUSE_S = 0.3

#: Escape sequences (CSI, OSC, and those of two characters), and other characters that take no place.
_UNSEEN = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b.|[\x00-\x20\x7f]", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Since:
    """What has come since input was sent.

    Attributes:
        sent: the input.
        output: what was written since, raw.
        last_line: what the output ends with, as a terminal shows it, if that is not a finished line.
        how: what the job does about its input, as in ``executors.waits.Waits``.
        mode: of its input, as there.
        slept_anew: whether whoever waits now, has woken up since.
        is_steady: whether the same was found at the last two looks.
        unread: bytes of input that have not reached it.
        quiet_for: seconds since the last output, or since the input.
        asked: there was a prompt when the input was sent.
    """

    sent: str
    output: str
    last_line: str
    how: str
    mode: str
    slept_anew: bool
    is_steady: bool
    unread: int
    quiet_for: float
    asked: bool = False


def has_answered(since: Since) -> bool:
    """Tell whether the answer is complete."""
    if since.unread:
        return False
    if since.how == "read":
        said_nothing = not since.output and since.quiet_for < NOTHING_PAUSE_S
        return since.slept_anew and since.is_steady and not said_nothing
    if is_echo(since.output, since.sent):
        return _has_moved(since) and since.quiet_for >= SILENCE_S
    if asks(since.how, since.mode, since.last_line):
        # Who has taken the keyboard may be about to finish a line that is not a prompt.
        return since.quiet_for >= (PROMPT_PAUSE_S if is_prompt(since.last_line) else SILENCE_S)
    return since.quiet_for >= (SILENCE_AT_WORK_S if since.how == "no" or since.asked else SILENCE_S)


def is_echo(output: str, sent: str) -> bool:
    """Tell whether output is no more than what a terminal shows of the input, or nothing."""
    return _seen(sent).startswith(_seen(output))


def _has_moved(since: Since) -> bool:
    """Tell whether a program that takes keys, and no lines, has done something with one that shows nothing."""
    is_key = not _seen(since.sent) and not set(since.sent) & {"\r", "\n"}
    return is_key and bool(since.output) and since.how == "poll" and since.mode == "raw"


def _seen(text: str) -> str:
    return _UNSEEN.sub("", text)
