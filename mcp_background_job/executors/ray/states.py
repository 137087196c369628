"""The meaning of Ray's words for a job of ours: one table, and the rule that reads it.

The runner's own record takes precedence over Ray. Ray is believed if there is no such record although Ray says that the
job is over.
"""

from __future__ import annotations

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.executors.nodes import verdicts
from mcp_background_job.executors.nodes.verdicts import GONE, Verdict

PENDING = "PENDING"
RUNNING = "RUNNING"

#: The words for a job that is over: how it ended if its runner did not say so, and why, in words.
ENDED: dict[str, tuple[Outcome, str]] = {
    "STOPPED": (Outcome.KILLED, "stopped in Ray"),
    "SUCCEEDED": (Outcome.LOST, "it is over in Ray, and its runner has not reported how it ended"),
    "FAILED": (Outcome.FAILED, "it failed in Ray before its command could be watched"),
}

#: How a failed job ended whose runner had begun.
BEGUN_AND_FAILED = (Outcome.LOST, "it failed in Ray, and its runner has not reported how it ended")

_GONE_END = (Outcome.LOST, "Ray no longer knows it, most likely because its head was restarted without its state")

#: Ray gives up a job that has waited for fifteen minutes without starting; it can be submitted again.
_WAITED_TOO_LONG = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"


def is_over(word: str | None) -> bool:
    """Tell whether Ray says that a job is over, or does not know it."""
    return word is not None and (word == GONE or word in ENDED)


def has_waited_too_long(word: str | None, reason: str) -> bool:
    """Tell whether Ray has given up a job only because its turn did not come."""
    return word == "FAILED" and reason.startswith(_WAITED_TOO_LONG)


def judge(word: str | None, *, reported: State | None, has_begun: bool, is_settled: bool) -> Verdict:
    """Return the verdict on a job without an exit record.

    Args:
        word: Ray's word; ``GONE`` if Ray answers and does not know the job, ``None`` if its word is unknown.
        reported: the state that the runner published last, as far as it is known here.
        has_begun: whether a runner has the job.
        is_settled: whether the runner's record was looked for since, and does not exist.
    """
    end = None
    if is_over(word) and is_settled:
        end = _GONE_END if word == GONE else ENDED[word or GONE]
        if word == "FAILED" and has_begun:
            end = BEGUN_AND_FAILED
    # A word that this release does not know ends no job.
    return verdicts.judge(end, reported=reported, has_begun=has_begun or word == RUNNING)
