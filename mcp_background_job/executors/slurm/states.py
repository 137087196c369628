"""The meaning of Slurm's words for a job of ours: one table, and the rule that reads it.

The job's own files take precedence over Slurm. Slurm is believed if they have no end although Slurm says that the job
is over, and only after a grace period, since files of another machine appear late.
"""

from __future__ import annotations

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.executors.nodes import verdicts
from mcp_background_job.executors.nodes.verdicts import GONE, Verdict

#: The words for a job that waits for its turn.
PENDING = frozenset(
    ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
)

#: The word for a job whose processes are stopped, its runner's among them.
SUSPENDED = "SUSPENDED"

#: The words for a job that has begun, and is not over.
LIVE = frozenset(("RUNNING", SUSPENDED, "COMPLETING", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"))

#: The words for a job that is over: how it ended if its runner did not say so, and why, in words.
ENDED: dict[str, tuple[Outcome, str]] = {
    "CANCELLED": (Outcome.KILLED, "cancelled in Slurm"),
    "TIMEOUT": (Outcome.TIMED_OUT, "stopped by Slurm at its time limit; ask for more with time="),
    "DEADLINE": (Outcome.TIMED_OUT, "stopped by Slurm at its deadline"),
    "OUT_OF_MEMORY": (Outcome.FAILED, "stopped by Slurm for want of memory; ask for more with mem="),
    "FAILED": (Outcome.FAILED, "it failed in Slurm before its command could be watched"),
    "NODE_FAIL": (Outcome.LOST, "its node failed, so its end is unknown"),
    "BOOT_FAIL": (Outcome.LOST, "its node could not be started"),
    "PREEMPTED": (Outcome.LOST, "Slurm gave its place to another job, so its end is unknown"),
    "COMPLETED": (Outcome.LOST, "it is over in Slurm, and its runner has not reported how it ended"),
}

#: The same word if a runner had taken the job.
_RUNNER_DIED = (Outcome.FAILED, "its runner died on its node, and has not reported how it ended")

_GONE_END = (Outcome.LOST, "Slurm no longer knows it, so its end is unknown")


def is_over(word: str | None) -> bool:
    """Tell whether Slurm says that a job is over, or does not know it."""
    return word is not None and (word == GONE or word in ENDED)


def end_of(word: str, *, is_claimed: bool) -> tuple[Outcome, str]:
    """Return how a job ended that is over in Slurm, or unknown there, and why, if its runner has not said so."""
    if word == GONE:
        return _GONE_END
    return _RUNNER_DIED if word == "FAILED" and is_claimed else ENDED[word]


def judge(word: str | None, *, reported: State | None, is_claimed: bool, is_settled: bool) -> Verdict:
    """Return the verdict on a job without an exit record.

    Args:
        word: Slurm's word; ``GONE`` if Slurm answers and does not know the job, ``None`` if its word is unknown.
        reported: the state that the runner published last, ``None`` if it has not published any.
        is_claimed: whether a runner has taken the job.
        is_settled: whether Slurm has said so for longer than files of another machine take to appear.
    """
    end = end_of(word or GONE, is_claimed=is_claimed) if is_over(word) and is_settled else None
    # A word that this release does not know ends no job.
    return verdicts.judge(end, reported=reported, has_begun=is_claimed or word in LIVE)


def chosen(words: dict[str, str], claimed_by: str) -> tuple[str, str] | None:
    """Return the Slurm job that counts among those submitted for one job, and its word.

    An unconfirmed submission is repeated, so there may be two Slurm jobs. The one whose runner has taken the job
    counts; before that, the one that is farthest from its end. The others will find the job taken.

    Args:
        words: Slurm's words, by Slurm's ids.
        claimed_by: the Slurm id that the runner has noted, empty if none has.
    """
    if claimed_by:
        return claimed_by, words.get(claimed_by, GONE)
    if not words:
        return None
    first = min(words, key=lambda native_id: (is_over(words[native_id]), words[native_id] not in LIVE, int(native_id)))
    return first, words[first]
