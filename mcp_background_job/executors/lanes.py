"""Threads for calls that block, in lanes, so that slow calls never delay quick ones.

No lock is waited for in a lane, and no other process: a few threads serve all callers, and one that waits for somebody
would hold up everybody. Two lanes are exceptions, each for the sake of the others: ``journal``, whose callers take
turns anyhow, and ``lasting``, where each has a thread of its own.

Without an event loop there is nobody to be held up, and all of this is simply called; see ``looping``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from mcp_background_job.executors import looping

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

P = ParamSpec("P")
Result = TypeVar("Result")


class Lane:
    """Some threads, which are made when the first of them is needed."""

    def __init__(self, threads: int, name: str) -> None:
        """Says how many threads at most, and what they are called."""
        self._count = threads
        self._name = name

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        """The threads."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  see the top

        return ThreadPoolExecutor(self._count, thread_name_prefix=self._name)

    async def call(self, call: Callable[[], Result]) -> Result:
        """Call something in one of these threads."""
        if looping.is_absent():
            return call()
        await looping.needed()
        import asyncio  # noqa: PLC0415  see the top

        return await asyncio.get_running_loop().run_in_executor(self.threads, call)


class OwnThread:
    """One thread for what no other may use. It is that of the caller, if there is no event loop at the first use."""

    def __init__(self, name: str) -> None:
        """Says what the thread is called."""
        self._lane = Lane(1, name)

    @cached_property
    def _is_callers(self) -> bool:
        return looping.is_absent()

    async def call(self, call: Callable[[], Result]) -> Result:
        """Call something there, after all that was asked for before."""
        if not looping.is_absent():
            await looping.needed()
        return call() if self._is_callers else await self._lane.call(call)

    def call_later(self, call: Callable[[], object]) -> None:
        """The same, without waiting for it."""
        if self._is_callers:
            call()
        else:
            self._lane.threads.submit(call)

    def close(self, last: Callable[[], object]) -> None:
        """Call something there as the last."""
        if self._is_callers:
            last()
        else:
            self._lane.threads.submit(last).result()
            self._lane.threads.shutdown()


#: Reads of a few small files, and questions to the kernel: they take microseconds, so more threads only wait for the
#: interpreter.
_LOOKS = Lane(2, "look")

#: Reads of megabytes, searches in them, and looks at all processes of the machine.
_SCANS = Lane(2, "scan")

#: Searches through all there is: each holds its thread for seconds, and who reads a page of a log must not wait for it.
_SEARCHES = Lane(2, "search")

#: What makes, changes or removes files; a disk may be slow to take it.
_WRITES = Lane(4, "write")

#: The journal of ComfyUI. A statement waits up to ten seconds for another process's transaction, and those of one
#: process take turns: a second thread would only wait for the first.
_JOURNAL = Lane(1, "journal")

#: What lasts for seconds by its nature. Threads are made when they are needed; so many at once are needed by nobody.
_LASTING = Lane(64, "lasting")


async def look(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what reads little."""
    return await _LOOKS.call(functools.partial(function, *arguments, **options))


async def scan(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what may read much."""
    return await _SCANS.call(functools.partial(function, *arguments, **options))


async def search(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what reads all that it can in some seconds."""
    return await _SEARCHES.call(functools.partial(function, *arguments, **options))


async def write(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what writes. It is done to its end even if the caller is cancelled meanwhile."""
    return await _WRITES.call(functools.partial(function, *arguments, **options))


async def journal(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what reads or writes the journal of ComfyUI, in the order of the calls."""
    return await _JOURNAL.call(functools.partial(function, *arguments, **options))


async def lasting(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call what lasts: it waits for a process to end or a file to come."""
    return await _LASTING.call(functools.partial(function, *arguments, **options))


async def hold(take: Callable[[], Result], give_back: Callable[[Result], None]) -> Result:
    """Call what opens or locks something. If the caller is cancelled meanwhile, it is given back once it is there."""
    if looping.is_absent():
        return take()
    await looping.needed()
    import asyncio  # noqa: PLC0415  see the top

    taking = asyncio.get_running_loop().run_in_executor(_LOOKS.threads, take)
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(lambda done: None if done.exception() else give_back(done.result()))
        raise
