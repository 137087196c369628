"""Runs a coroutine without an event loop for as long as it needs none.

A command that reads a few files ends in less time than it takes to load asyncio, which is more than a third of what all
the rest of such a command costs. So the command line begins each coroutine by hand, and what blocks is simply called
(see ``lanes``). What needs a loop, as talking to a runner does, says so with ``needed``: then asyncio is loaded, and
the same coroutine goes on in its loop.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Generator
from types import coroutine as awaitable
from typing import Any, TypeVar

Result = TypeVar("Result")


def is_absent() -> bool:
    """Tell whether this process has no event loop: then nobody is held up by what blocks."""
    return "asyncio" not in sys.modules


@awaitable
def needed() -> Generator[None]:
    """Return in an event loop."""
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
    import asyncio  # noqa: PLC0415  see the top

    return asyncio.run(_go_on(work))


async def _go_on(work: Coroutine[Any, Any, Result]) -> Result:
    return await _Begun(work)


class _Begun:
    """A coroutine that may have been begun: such a one itself cannot be awaited."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, None, Any]:
        return self._work.__await__()
