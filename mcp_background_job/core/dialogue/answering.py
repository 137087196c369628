"""Whether a program that was sent input has answered.

The best sign is that the program has woken up and waits for input again. If the kernel cannot show that, because the
program polls or is another user's, the sign is a prompt, or else silence, after output that is not the echo.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mcp_background_job.core.dialogue.asking import asks, is_prompt

#: A line counts as a prompt if nothing follows it for this long: a network delivers output in pieces.
PROMPT_PAUSE_S = 0.2

#: Silence that ends the answer of a program that may be waiting for input.
SILENCE_S = 1.0

#: The same for a program that is known to do something else, or that had a prompt before: a build or a query may well
#: be silent for a while.
SILENCE_AT_WORK_S = 5.0

#: A program that waits again without any output, not even an echo, may have written some: the terminal hands it on a
#: moment later.
NOTHING_PAUSE_S = 0.3

#: Escape sequences (CSI, OSC, and those of two characters), and other characters without width.
_UNSEEN = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b.|[\x00-\x20\x7f]", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Since:
    """The facts since input was sent.

    Attributes:
        sent: the input.
        output: the output since then, raw.
        last_line: the end of the output, as a terminal shows it, if that is not a finished line.
        how: what the job does about its input, as in ``executors.waits.Waits``.
        mode: mode of its input, as there.
        slept_anew: whether the process that waits now has woken up since then.
        is_steady: whether the last two looks found the same.
        unread: bytes of input that have not reached the program.
        quiet_for: seconds since the last output, or since the input.
        asked: the program showed a prompt when the input was sent.
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
        # A program that has taken the keyboard may be about to finish a line that is not a prompt.
        return since.quiet_for >= (PROMPT_PAUSE_S if is_prompt(since.last_line) else SILENCE_S)
    return since.quiet_for >= (SILENCE_AT_WORK_S if since.how == "no" or since.asked else SILENCE_S)


def is_echo(output: str, sent: str) -> bool:
    """Tell whether output is empty, or only what a terminal shows of the input."""
    return _seen(sent).startswith(_seen(output))


def _has_moved(since: Since) -> bool:
    """Tell whether a program that takes keys instead of lines has reacted to a key that shows nothing."""
    is_key = not _seen(since.sent) and not set(since.sent) & {"\r", "\n"}
    return is_key and bool(since.output) and since.how == "poll" and since.mode == "raw"


def _seen(text: str) -> str:
    return _UNSEEN.sub("", text)
