"""Escalates from SIGTERM to SIGKILL: asks the plan which step is due, and carries it out on given processes."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable

from mcp_background_job.core.ladder import Progress, Step, next_step
from mcp_background_job.kernel import tree

#: At most this many killed processes are remembered: a job that forks in a loop must not fill the exit record.
MAX_KILLED_PIDS = 200

SignalAll = Callable[[list[tree.Process], int], None]


class Climber:
    """One escalation, from the polite signal to the end of the last process.

    Attributes:
        has_signalled: whether a signal was sent.
        killed: pids that were sent SIGKILL.
    """

    def __init__(self, number: int, grace_s: float, signal_all: SignalAll) -> None:
        """Begins before the first step; ``signal_all`` signals processes, and all else that belongs to them."""
        self.has_signalled = False
        self.killed: list[int] = []
        self._number = number
        self._progress: Progress = Progress(_grace(number, grace_s))
        self._signal_all = signal_all

    @property
    def is_killing(self) -> bool:
        """Whether SIGKILL was sent."""
        return self._progress.killing_since is not None

    def hurry(self, number: int, grace_s: float) -> None:
        """Take a further request into account: it can shorten the grace period, and never lengthens it.

        After survivors were reported, it gets an attempt and a report of its own.
        """
        progress = self._progress
        elapsed = time.monotonic() - progress.signalled_at if progress.signalled_at is not None else 0.0
        grace = min(progress.grace_s, elapsed + _grace(number, grace_s))
        self._progress = dataclasses.replace(progress, grace_s=grace)
        if progress.reported:
            self._progress = dataclasses.replace(self._progress, killing_since=None, killed_at=None, reported=False)

    def climb(self, targets: list[tree.Process], *, alive: bool) -> tuple[Step, float | None]:
        """Carry out the step that is due; returns the step, and when (monotonic seconds) to ask again."""
        now = time.monotonic()
        progress = self._progress
        step, due = next_step(progress, now=now, alive=alive)
        if step is Step.SIGNAL:
            self._send(targets, self._number)
            self._progress = dataclasses.replace(progress, signalled_at=now)
        elif step is Step.KILL:
            self._send(targets, signal.SIGKILL)
            since = now if progress.killing_since is None else progress.killing_since
            self._progress = dataclasses.replace(progress, killing_since=since, killed_at=now)
        elif step is Step.REPORT_SURVIVORS:
            self._progress = dataclasses.replace(progress, reported=True)
        return step, due

    def _send(self, targets: list[tree.Process], number: int) -> None:
        self.has_signalled = True
        targets = _whose_turn(targets, number)
        if number == signal.SIGKILL:
            new = [process.pid for process in targets if process.pid not in self.killed]
            self.killed += new[: MAX_KILLED_PIDS - len(self.killed)]
        self._signal_all(targets, number)


def _whose_turn(targets: list[tree.Process], number: int) -> list[tree.Process]:
    """Leave out processes that may become the runners of other jobs, while others are left.

    A spawner ends by itself when its server does, and a process that becomes a runner is one by the next look. So these
    are never asked to end. They are killed if no others are left: then they are neither.
    """
    others = [process for process in targets if not process.may_become_runner]
    return others if others or number != signal.SIGKILL else targets


def send_to_each(targets: list[tree.Process], number: int) -> None:
    """Signal each of these processes, and wake suspended ones: they would not see the signal."""
    for process in targets:
        tree.send(process, number)
        if number != signal.SIGKILL:
            tree.send(process, signal.SIGCONT)


def _grace(number: int, grace_s: float) -> float:
    return 0.0 if number == signal.SIGKILL else grace_s
