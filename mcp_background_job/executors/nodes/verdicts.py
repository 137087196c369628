"""The state of a job's life, from its runner's reports and its engine's word; the same rule for all engines."""

from __future__ import annotations

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.values import frozen

#: The word for a job that the engine does not know.
GONE = ""


@frozen
class Verdict:
    """The state of a job's life; if only the engine's word says that it is over, also how it ended and why."""

    state: State
    outcome: Outcome | None = None
    why: str = ""


def judge(end: tuple[Outcome, str] | None, *, reported: State | None, has_begun: bool) -> Verdict:
    """Return the verdict on a job without an exit record.

    Args:
        end: how the job ended and why, if its engine says so and is believed.
        reported: the state that the runner published last, ``None`` if it has not published any.
        has_begun: whether a runner has the job, or its engine has started it.
    """
    if end is not None:
        return Verdict(State.EXITED, *end)
    return Verdict(reported or (State.STARTING if has_begun else State.QUEUED))
