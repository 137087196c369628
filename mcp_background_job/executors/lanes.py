"""Threads for what blocks, in lanes, so that what is slow never stands in the way of what is quick.

No lock is waited for in a lane, and no other process: a few threads serve all callers, and one that waits for somebody
would hold up everybody. Two lanes are exceptions, each for the sake of the others: ``journal``, whose callers take
turns anyhow, and ``lasting``, where each has a thread of its own.
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

#: Reads of megabytes, searches in them, and looks at all processes of the machine.
_SCANS = ThreadPoolExecutor(2, thread_name_prefix="scan")

#: Searches through all there is: each holds its thread for seconds, and who reads a page of a log must not wait for it.
_SEARCHES = ThreadPoolExecutor(2, thread_name_prefix="search")

#: What makes, changes or removes files; a disk may be slow to take it.
_WRITES = ThreadPoolExecutor(4, thread_name_prefix="write")

#: The journal of ComfyUI. A statement waits up to ten seconds for another process's transaction, and those of one
#: process take turns: a second thread would only wait for the first.
_JOURNAL = ThreadPoolExecutor(1, thread_name_prefix="journal")

#: What lasts for seconds by its nature. Threads are made when they are needed; so many at once are needed by nobody.
_LASTING = ThreadPoolExecutor(64, thread_name_prefix="lasting")


async def look(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what reads little."""
    return await _in(_LOOKS, functools.partial(function, *arguments, **options))


async def scan(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what may read much."""
    return await _in(_SCANS, functools.partial(function, *arguments, **options))


async def search(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what reads all that it can in some seconds."""
    return await _in(_SEARCHES, functools.partial(function, *arguments, **options))


async def write(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what writes. It is done to its end even if the caller is cancelled meanwhile."""
    return await _in(_WRITES, functools.partial(function, *arguments, **options))


async def journal(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what reads or writes the journal of ComfyUI, in the order of the calls."""
    return await _in(_JOURNAL, functools.partial(function, *arguments, **options))


async def lasting(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what lasts: it waits for a process to end or a file to come."""
    return await _in(_LASTING, functools.partial(function, *arguments, **options))


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
