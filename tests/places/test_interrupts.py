"""Ctrl-C between two steps of which neither may be done alone takes effect behind the second."""

from __future__ import annotations

import signal
import threading

import pytest

from mcp_background_job.executors import interrupts


def _do(steps: list[int], *, error: OSError | None = None) -> None:
    with interrupts.held():
        steps.append(1)
        signal.raise_signal(signal.SIGINT)
        if error:
            raise error
        steps.append(2)


def test_ctrl_c_takes_effect_at_the_end_of_what_must_not_be_halved() -> None:
    steps: list[int] = []

    with pytest.raises(KeyboardInterrupt):
        _do(steps)

    assert steps == [1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_what_was_held_is_told_and_not_the_ctrl_c() -> None:
    with pytest.raises(OSError, match="disk"):
        _do([], error=OSError("disk"))

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_that_ctrl_c_never_reaches_goes_on_as_it_is() -> None:
    handlers: list[object] = []

    def work() -> None:
        with interrupts.held():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert handlers == [signal.default_int_handler]
