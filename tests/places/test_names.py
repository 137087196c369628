"""One at a time starts a job under a name, and nobody else is held up."""

from __future__ import annotations

import asyncio
import asyncio.subprocess
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from mcp_background_job.executors import lanes, locks, names
from mcp_background_job.executors.names import FileNames, Names
from mcp_background_job.jobdir import lock
from tests.patience import PATIENCE_S
from tests.places.memory import MemoryNames

#: As release 1.0.0 does it: the whole file, on an open file description, until its stdin ends.
_WHOLE_FILE = """
import fcntl, struct, sys
file = open(sys.argv[1], "r+")
fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("@hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
print("held", flush=True)
sys.stdin.read()
"""

Held = Callable[[str], contextlib.AbstractAsyncContextManager[bool]]


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "names.lock"
    path.touch()
    return str(path)


@pytest.fixture(params=["memory", "file"])
def names_of(request: pytest.FixtureRequest, path: str) -> Callable[[], Names]:
    """Give each of two servers its own view of the same names; those in memory are of one process."""
    shared = MemoryNames()
    return lambda: shared if request.param == "memory" else FileNames(path)


async def test_of_two_who_want_a_name_the_second_waits_for_the_first(names_of: Callable[[], Names]) -> None:
    order: list[str] = []
    first_has_it, may_go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with names_of().held("web"):
            first_has_it.set()
            await may_go.wait()
            order.append("first")

    async def second() -> None:
        await first_has_it.wait()
        async with names_of().held("web") as got:
            assert got
            order.append("second")

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        tasks.create_task(second())
        await first_has_it.wait()
        await asyncio.sleep(3 * locks.RETRY_S)  # long enough for a second that does not wait
        assert order == []
        may_go.set()
    assert order == ["first", "second"]


@pytest.mark.parametrize("other", ["wEb", "web ", "", "ü/../é", "\udcff", "x" * 5000, "."])
async def test_another_name_is_free(names_of: Callable[[], Names], other: str) -> None:
    async with asyncio.timeout(PATIENCE_S), names_of().held("web"), names_of().held(other) as got:
        assert got


async def test_a_hundred_names_are_held_at_once(names_of: Callable[[], Names]) -> None:
    async with asyncio.timeout(PATIENCE_S), contextlib.AsyncExitStack() as stack:
        for number in range(100):
            assert await stack.enter_async_context(names_of().held(f"name {number}"))


async def test_who_is_cancelled_while_waiting_leaves_the_name_to_others(names_of: Callable[[], Names]) -> None:
    async def wait() -> None:
        async with names_of().held("web"):
            pytest.fail("it was held")

    async with asyncio.timeout(PATIENCE_S), names_of().held("web"):
        waiting = [asyncio.create_task(wait()) for _ in range(20)]
        for number, task in enumerate(waiting):
            await asyncio.sleep(0.001 * (number % 5))
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(PATIENCE_S), names_of().held("web") as got:
        assert got


async def test_who_is_cancelled_in_the_very_moment_of_getting_a_name_does_not_keep_it(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, may_return = threading.Event(), threading.Event()
    try_byte = lock.try_byte

    def slowly(path: str, byte: int) -> int | None:
        descriptor = try_byte(path, byte)
        taken.set()
        may_return.wait(PATIENCE_S)
        return descriptor

    async def hold() -> None:
        async with FileNames(path).held("web"):
            pytest.fail("it went on although it was cancelled")

    monkeypatch.setattr(lock, "try_byte", slowly)
    holding = asyncio.create_task(hold())
    assert await asyncio.to_thread(taken.wait, PATIENCE_S)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    monkeypatch.setattr(lock, "try_byte", try_byte)
    may_return.set()
    async with asyncio.timeout(PATIENCE_S), FileNames(path).held("web") as got:
        assert got


async def test_a_name_whose_holder_is_stuck_is_done_without(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "PATIENCE_S", 0.1)
    async with FileNames(path).held("web") as first, FileNames(path).held("web") as second:
        assert (first, second) == (True, False)


async def test_a_hundred_who_wait_for_names_hold_up_no_look(path: str) -> None:
    async def wait(name: str) -> None:
        async with FileNames(path).held(name):
            pass

    async with asyncio.timeout(PATIENCE_S), contextlib.AsyncExitStack() as stack:
        for number in range(100):
            await stack.enter_async_context(FileNames(path).held(str(number)))
        waiting = [asyncio.create_task(wait(str(number))) for number in range(100)]
        await asyncio.sleep(locks.RETRY_S)
        threads = {thread.name for thread in threading.enumerate()}
        assert await lanes.look(os.getpid) == os.getpid()
        assert not any(task.done() for task in waiting)
        assert len([name for name in threads if name.startswith("look")]) < 10
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@contextlib.asynccontextmanager
async def _release_1_0_0(path: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    command = [sys.executable, "-I", "-S", "-c", _WHOLE_FILE, path]
    holder = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin
    assert holder.stdout
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await holder.stdout.readline() == b"held\n"
        yield holder
    finally:
        holder.stdin.close()
        await holder.wait()


async def test_what_release_1_0_0_does_under_any_name_is_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _release_1_0_0(path) as holder:
        with monkeypatch.context() as patch:
            patch.setattr(names, "PATIENCE_S", 0.1)
            async with FileNames(path).held("web") as got:
                assert not got
        holder.kill()
        async with asyncio.timeout(PATIENCE_S), FileNames(path).held("web") as got:
            assert got


async def test_release_1_0_0_waits_for_whoever_holds_a_name(path: str) -> None:
    async with FileNames(path).held("web"), FileNames(path).held("api"):
        assert lock.acquire(path) is None  # the very call of that release
    descriptor = lock.acquire(path)
    assert descriptor is not None
    os.close(descriptor)
