"""Ctrl-C between two steps of which neither may be done alone takes effect behind the second."""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import threading
from typing import Any

import pytest

from mcp_background_job.executors import interrupts, looping


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


class _Struck(concurrent.futures.Future[int]):
    """Is interrupted while the event loop takes its result over, as the result of a thread is taken over."""

    def result(self, timeout: float | None = None) -> int:
        signal.raise_signal(signal.SIGINT)
        return super().result(timeout)


def test_ctrl_c_in_the_middle_of_a_step_of_the_loop_cancels_behind_that_step() -> None:
    failed: list[dict[str, Any]] = []
    seen: list[type[BaseException]] = []

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        struck = _Struck()
        taken = asyncio.wrap_future(struck)
        struck.set_result(1)
        try:
            await taken
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            seen.append(type(error))
            raise

    with pytest.raises(KeyboardInterrupt):
        looping.in_loop(work())

    assert (failed, seen) == ([], [asyncio.CancelledError])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_ends_what_does_not_let_the_loop_go_on() -> None:
    steps: list[int] = []

    async def work() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append(1)
        signal.raise_signal(signal.SIGINT)
        steps.append(2)

    with pytest.raises(KeyboardInterrupt):
        looping.in_loop(work())

    assert steps == [1]


def test_a_ctrl_c_in_the_last_step_is_not_lost() -> None:
    async def work() -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        looping.in_loop(work())


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_loop_leaves_a_ctrl_c_alone_that_is_not_pythons(handler: signal.Handlers) -> None:
    handlers: list[object] = []

    async def work() -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    before = signal.signal(signal.SIGINT, handler)
    try:
        looping.in_loop(work())
    finally:
        signal.signal(signal.SIGINT, before)

    assert handlers == [handler]
