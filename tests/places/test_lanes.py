"""What is slow in one lane holds up no other."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mcp_background_job.executors import lanes
from tests.patience import PATIENCE_S


@pytest.mark.parametrize("blocked", ["scan", "write"])
async def test_looks_go_on_while_another_lane_is_full(blocked: str) -> None:
    may_end = threading.Event()
    lane = {"scan": lanes.scan, "write": lanes.write}[blocked]
    stuck = [asyncio.create_task(lane(may_end.wait, PATIENCE_S)) for _ in range(20)]
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await lanes.look(sorted, [2, 1], reverse=True) == [2, 1]
        assert not any(task.done() for task in stuck)
    finally:
        may_end.set()
        await asyncio.gather(*stuck)


async def test_what_is_written_is_written_although_its_caller_is_cancelled() -> None:
    began, may_end, done = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        began.set()
        may_end.wait(PATIENCE_S)
        done.set()

    caller = asyncio.create_task(lanes.write(write))
    assert await asyncio.to_thread(began.wait, PATIENCE_S)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    may_end.set()
    assert await asyncio.to_thread(done.wait, PATIENCE_S)


@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_taken_for_a_caller_who_is_gone_is_given_back(*, fails: bool) -> None:
    began, may_end = threading.Event(), threading.Event()
    loop_errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loop_errors.append(context))
    given_back: asyncio.Queue[str] = asyncio.Queue()

    def take() -> str:
        began.set()
        may_end.wait(PATIENCE_S)
        if fails:
            raise OSError("nothing to take")
        return "it"

    caller = asyncio.create_task(lanes.hold(take, given_back.put_nowait))
    assert await asyncio.to_thread(began.wait, PATIENCE_S)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    may_end.set()
    if not fails:
        async with asyncio.timeout(PATIENCE_S):
            assert await given_back.get() == "it"
    for _ in range(3):
        await lanes.look(int)
    assert given_back.empty()
    assert loop_errors == []
