"""The escalation of a stop as a pure plan: which step is due now, given what is alive.

chosen signal ─▶ grace period ─▶ SIGKILL, again and again until nothing is left ─▶ verified

The plan does not know processes. The runner asks it at every wake-up, carries out the step, and re-lists the tree,
since processes fork while they are being killed.
"""

from __future__ import annotations

from enum import Enum

from mcp_background_job.core.values import frozen

#: Seconds between two rounds of SIGKILL. A killed process is gone within microseconds. Only a process that forks faster
#: than it is listed, or that is in uninterruptible sleep, sees a second round.
KILL_INTERVAL_S = 0.02

#: Seconds of SIGKILL after which a process that still lives is a survivor: only uninterruptible sleep lasts so long.
KILL_PATIENCE_S = 5.0

#: Seconds between rounds after survivors were reported: the kernel may still end them, at its own pace.
SURVIVOR_INTERVAL_S = 1.0


class Step(Enum):
    """The step that is due."""

    WAIT = "wait"
    SIGNAL = "signal"
    KILL = "kill"
    REPORT_SURVIVORS = "report_survivors"
    DONE = "done"


@frozen
class Progress:
    """How far the escalation has gone. Times are seconds of one monotonic clock.

    Attributes:
        grace_s: time between the polite signal and the first SIGKILL; 0 or less skips the polite signal.
        signalled_at: when the polite signal was sent.
        killing_since: when SIGKILL was sent first.
        killed_at: when SIGKILL was sent last.
        reported: whether survivors were reported.
    """

    grace_s: float
    signalled_at: float | None = None
    killing_since: float | None = None
    killed_at: float | None = None
    reported: bool = False


def next_step(progress: Progress, *, now: float, alive: bool) -> tuple[Step, float | None]:
    """Return the step that is due and the time at which to ask again (``None``: only when something changes)."""
    if not alive:
        return Step.DONE, None
    if progress.killing_since is None:
        if progress.grace_s <= 0:
            return Step.KILL, now + KILL_INTERVAL_S
        if progress.signalled_at is None:
            return Step.SIGNAL, now + progress.grace_s
        grace_end = progress.signalled_at + progress.grace_s
        return (Step.WAIT, grace_end) if now < grace_end else (Step.KILL, now + KILL_INTERVAL_S)
    if not progress.reported and now - progress.killing_since >= KILL_PATIENCE_S:
        return Step.REPORT_SURVIVORS, now
    interval = SURVIVOR_INTERVAL_S if progress.reported else KILL_INTERVAL_S
    due = (progress.killed_at or progress.killing_since) + interval
    return (Step.WAIT, due) if now < due else (Step.KILL, now + interval)
