"""Waits for locks on the event loop, by trying repeatedly: no thread is held up meanwhile."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncGenerator, Callable

from mcp_background_job.executors import lanes, looping

#: Seconds between two attempts. The kernel does not announce a free lock, and a person does not notice this delay.
RETRY_S = 0.02


@contextlib.asynccontextmanager
async def held(take: Callable[[], int | None], *, patience_s: float) -> AsyncGenerator[bool]:
    """Hold a lock; yields whether it was acquired.

    ``take`` tries once: it returns the descriptor that holds the lock, ``None`` if another process has it.
    """
    descriptor = await _acquired(take, patience_s)
    try:
        yield descriptor is not None
    finally:
        let_go(descriptor)


async def _acquired(take: Callable[[], int | None], patience_s: float) -> int | None:
    deadline = time.monotonic() + patience_s
    while True:
        descriptor = await lanes.hold(take, let_go)
        if descriptor is not None or time.monotonic() >= deadline:
            return descriptor
        await looping.needed()
        import asyncio  # noqa: PLC0415  see ``looping``

        await asyncio.sleep(RETRY_S)


def let_go(descriptor: int | None) -> None:
    """Release a lock, if it was acquired."""
    if descriptor is not None:
        os.close(descriptor)
