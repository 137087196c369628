"""The signals that mean something to a runner."""

from __future__ import annotations

import signal

#: Engines and their users send these to a runner but mean its job, for example to save its state before time is over.
PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)


def settle() -> None:
    """Notice signals that ask a runner to end or are meant for its job, and ignore those that would end it by accident.

    This is done once, before runners are forked: in each of them it would touch, and so copy, a hundred kilobytes.
    """
    for number in (signal.SIGTERM, signal.SIGINT, *PASSED_ON):
        signal.signal(number, take_notice)
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def take_notice(_number: int, _frame: object) -> None:
    """Do nothing here: the wake-up descriptor carries the number to the loop."""
