"""Looks at a prompt or a batch again and again until it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui.views import Seen, View

#: Between two looks; what takes milliseconds is over at the first ones.
_FIRST_LOOK_S = 0.02
_LOOK_S = 0.25

#: A look that takes long (a silent server, a queue of large graphs) is not repeated at once: looks take a third.
_LOOKS_SHARE = 2.0


async def watch(
    look: Callable[[], Awaitable[Seen]],
    is_over: Callable[[Seen], bool],
    deadline: float,
    view: View[Seen],
    *,
    left_alone: str,
) -> Seen:
    """Return what a look shows when it is over, or at a monotonic moment.

    Args:
        look: looks.
        is_over: tells whether it is over, of each look.
        deadline: the moment.
        view: shows each look.
        left_alone: what to say at Ctrl-C, which ends nothing but the looks.
    """
    seen = None
    try:
        with view:
            async for seen in _looks(look, is_over, deadline):
                view.show(seen)
    except asyncio.CancelledError:
        terminal.say_interrupted(left_alone)
        raise
    assert seen is not None  # noqa: S101  for the type checker: there is always one look
    return seen


async def _looks(
    look: Callable[[], Awaitable[Seen]], is_over: Callable[[Seen], bool], deadline: float
) -> AsyncIterator[Seen]:
    pause = _FIRST_LOOK_S
    while True:
        asked_at = time.monotonic()
        seen = await look()
        now = time.monotonic()
        yield seen
        if is_over(seen) or now >= deadline:
            return
        await asyncio.sleep(min(max(pause, _LOOKS_SHARE * (now - asked_at)), deadline - now))
        pause = min(2 * pause, _LOOK_S)
