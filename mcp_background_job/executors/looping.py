"""Runs a coroutine without an event loop for as long as it needs none.

Loading asyncio takes longer than a command that reads a few files: more than a third of the rest of such a command. So
the command line steps each coroutine by hand, and blocking functions are simply called (see ``lanes``). A coroutine
that needs a loop, for example to talk to a runner, awaits ``needed``: then asyncio is loaded, and the same coroutine
goes on in its loop.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Coroutine, Generator
from types import coroutine as awaitable
from typing import Any, TypeVar

from mcp_background_job.executors import interrupts

Result = TypeVar("Result")


def is_absent() -> bool:
    """Tell whether this process has no event loop, so that a blocking call holds nobody up."""
    return "asyncio" not in sys.modules


@awaitable
def needed() -> Generator[None]:
    """Return within an event loop."""
    import asyncio  # noqa: PLC0415  see the top

    if asyncio._get_running_loop() is None:  # noqa: SLF001  the public one raises, which is the usual case here
        yield  # to ``run``


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, in an event loop from the moment that it needs one."""
    if is_absent():
        try:
            work.send(None)
        except StopIteration as end:
            return end.value
    return in_loop(_Begun(work))


def in_loop(work: Awaitable[Result]) -> Result:
    """Run to its end what needs an event loop from the first; a Ctrl-C cancels it, between two steps of the loop."""
    import asyncio  # noqa: PLC0415  see the top

    return asyncio.run(_cancellable(work))


async def _cancellable(work: Awaitable[Result]) -> Result:
    with interrupts.between_steps():
        return await work


class _Begun:
    """A coroutine that may have been started by hand; a started one cannot be awaited directly."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, None, Any]:
        return self._work.__await__()
