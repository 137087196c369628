"""Threads for what blocks, in lanes, so that long reads never stand in the way of short ones.

No lock is waited for in a lane, and no other process: a few threads serve all callers, and one that waits for somebody
would hold up everybody. What lasts for seconds by its nature has no lane but ``asyncio.to_thread``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")

#: Reads of a few small files, and questions to the kernel: they take microseconds, so more threads only wait for the
#: interpreter.
_LOOKS = ThreadPoolExecutor(2, thread_name_prefix="look")

#: Reads of megabytes, and searches in them.
_SCANS = ThreadPoolExecutor(2, thread_name_prefix="scan")

#: What makes, changes or removes files; a disk may be slow to take it.
_WRITES = ThreadPoolExecutor(4, thread_name_prefix="write")


async def look(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what reads little."""
    return await _in(_LOOKS, functools.partial(function, *arguments, **options))


async def scan(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what may read much."""
    return await _in(_SCANS, functools.partial(function, *arguments, **options))


async def write(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what writes. It is done to its end even if the caller is cancelled meanwhile."""
    return await _in(_WRITES, functools.partial(function, *arguments, **options))


async def hold(take: Callable[[], Result], give_back: Callable[[Result], None]) -> Result:
    """Call what opens or locks something. If the caller is cancelled meanwhile, it is given back once it is there."""
    taking = asyncio.get_running_loop().run_in_executor(_LOOKS, take)
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(lambda done: None if done.exception() else give_back(done.result()))
        raise


async def _in(lane: ThreadPoolExecutor, call: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(lane, call)
