"""Threads for blocking calls, in lanes, so that slow calls never delay quick ones.

Calls in a lane wait for no lock and for no other process. A few threads serve all callers, and a thread that waits
would hold up everybody. Two lanes are exceptions that protect the others: ``journal``, whose callers take turns anyway,
and ``lasting``, where each call has its own thread.

Without an event loop there is nobody to hold up, and the functions are simply called; see ``looping``.
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
    """A number of threads, made when the first one is needed."""

    def __init__(self, threads: int, name: str) -> None:
        """Takes the most threads, and their name."""
        self._count = threads
        self._name = name

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        """The threads."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  see the top

        return ThreadPoolExecutor(self._count, thread_name_prefix=self._name)

    async def call(self, call: Callable[[], Result]) -> Result:
        """Make a call in one of these threads."""
        if looping.is_absent():
            return call()
        await looping.needed()
        import asyncio  # noqa: PLC0415  see the top

        return await asyncio.get_running_loop().run_in_executor(self.threads, call)


class OwnThread:
    """One thread that no other work may use: the caller's own, if there is no event loop at the first use."""

    def __init__(self, name: str) -> None:
        """Takes the name of the thread."""
        self._lane = Lane(1, name)

    @cached_property
    def _is_callers(self) -> bool:
        return looping.is_absent()

    async def call(self, call: Callable[[], Result]) -> Result:
        """Make a call in the thread, after all earlier calls."""
        if not looping.is_absent():
            await looping.needed()
        return call() if self._is_callers else await self._lane.call(call)

    def call_later(self, call: Callable[[], object]) -> None:
        """Make a call in the thread, without waiting for it."""
        if self._is_callers:
            call()
        else:
            self._lane.threads.submit(call)

    def close(self, last: Callable[[], object]) -> None:
        """Make the last call in the thread."""
        if self._is_callers:
            last()
        else:
            self._lane.threads.submit(last).result()
            self._lane.threads.shutdown()


#: Reads of a few small files, and questions to the kernel: these take microseconds, so more threads would only wait for
#: the interpreter.
_LOOKS = Lane(2, "look")

#: Reads of megabytes, searches in them, and looks at all processes of the machine.
_SCANS = Lane(2, "scan")

#: Searches through all data: each occupies a thread for seconds, and readers of a log must not wait for it.
_SEARCHES = Lane(2, "search")

#: Calls that make, change or remove files; a disk may be slow.
_WRITES = Lane(4, "write")

#: The journal of ComfyUI. A statement waits up to ten seconds for another process's transaction. Statements of one
#: process take turns, so a second thread would only wait for the first.
_JOURNAL = Lane(1, "journal")

#: Calls that take seconds by their nature. Threads are made when needed; nobody needs as many as this.
_LASTING = Lane(64, "lasting")


async def look(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Make a call that reads little."""
    return await _LOOKS.call(functools.partial(function, *arguments, **options))


async def scan(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Make a call that may read much."""
    return await _SCANS.call(functools.partial(function, *arguments, **options))


async def search(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Make a call that reads as much as it can in some seconds."""
    return await _SEARCHES.call(functools.partial(function, *arguments, **options))


async def write(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Make a call that writes. It finishes even if the caller is cancelled meanwhile."""
    return await _WRITES.call(functools.partial(function, *arguments, **options))


async def journal(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Make a call that reads or writes the journal of ComfyUI, in the order of the calls."""
    return await _JOURNAL.call(functools.partial(function, *arguments, **options))


async def lasting(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Make a call that takes long: it waits for a process to end or a file to arrive."""
    return await _LASTING.call(functools.partial(function, *arguments, **options))


async def hold(take: Callable[[], Result], give_back: Callable[[Result], None]) -> Result:
    """Make a call that opens or locks something. If the caller is cancelled meanwhile, the result is given back."""
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
