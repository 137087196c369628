"""How a job is shown: in a sentence, and in text that a terminal cannot take for orders."""

from __future__ import annotations

import time

from mcp_background_job.core.job import Job, has_more_to_tell
from mcp_background_job.core.states import State
from mcp_background_job.core.text import duration, one_line

#: Colours of a terminal's own palette, so that they fit its background.
STYLES = {
    "queued": "yellow",
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "killed": "magenta",
    "timed_out": "red",
    "lost": "bold red",
}

#: Characters of a command in a table; rich makes them fewer where the window is narrow.
_COMMAND_WIDTH = 200


def sentence(job: Job) -> str:
    """Return how a job is doing, or how it ended."""
    if job.state is not State.EXITED:
        return f"{job.label} {job.status} for {duration(time.time() - (job.started_at or job.created_at))}"
    end = "" if job.exit_code is None else f", exit {job.exit_code}"
    return f"{job.label} {job.status}{end}" + (f": {job.reason}" if has_more_to_tell(job) else "")


def style_of(job: Job) -> str:
    """Return the style that a job's status is shown in."""
    return STYLES[job.status]


def printable(text: str) -> str:
    """Return text on one line, with everything escaped that a terminal would obey."""
    return escaped(one_line(text, _COMMAND_WIDTH))


def escaped(text: str) -> str:
    """Return text with everything escaped that a terminal would obey."""
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)
