"""Where a job is in its life, by what its runner has published and what its engine says: what all engines share."""

from __future__ import annotations

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.values import frozen

#: What an engine says of a job that it does not know.
GONE = ""


@frozen
class Verdict:
    """Where a job is in its life; for one that is over by its engine's word alone, how it ended and why."""

    state: State
    outcome: Outcome | None = None
    why: str = ""


def judge(end: tuple[Outcome, str] | None, *, reported: State | None, has_begun: bool) -> Verdict:
    """Return what is true of a job without an exit record.

    Args:
        end: how it ended and why, if its engine is believed that it has.
        reported: what the runner published last, ``None`` if it has not yet.
        has_begun: a runner has the job, or its engine has begun it.
    """
    if end is not None:
        return Verdict(State.EXITED, *end)
    return Verdict(reported or (State.STARTING if has_begun else State.QUEUED))
