"""One task for each thing that is followed, whoever follows it, and none where nobody does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from mcp_background_job.errors import BackgroundJobError, InvalidRequestError
from mcp_background_job.jobs.waiting.change import Change
from mcp_background_job.server.subscriptions import board as boards
from mcp_background_job.server.subscriptions.board import Board, Changes, Topic
from mcp_background_job.server.subscriptions.outbox import Outbox, Updated
from tests.patience import until


class Thing:
    """Something that is looked at while it is followed."""

    def __init__(self) -> None:
        self.change = Change()
        self.lookers = self.looks = 0
        self.topic = Topic("thing", self._changes)
        self.error: Exception | None = None

    async def _changes(self) -> Changes:
        self.lookers += 1
        self.looks += 1
        try:
            if self.error:
                raise self.error
            while True:
                count = self.change.count
                yield
                await self.change.beyond(count, None)
        finally:
            self.lookers -= 1


@pytest.fixture
async def board() -> AsyncGenerator[Board]:
    board = Board()
    yield board
    await board.close()


async def test_all_who_follow_share_one_look_and_none_goes_on_without_them(board: Board) -> None:
    thing, heard = Thing(), [0] * 200
    async with contextlib.AsyncExitStack() as stack:
        for number in range(200):

            def tell(number: int = number) -> None:
                heard[number] += 1

            await stack.enter_async_context(board.following(thing.topic, tell))
        assert (thing.lookers, board.followers) == (1, 200)
        thing.change.tell()
        await until(_that(lambda: heard == [1] * 200), "all are told once")
    await board.close()
    assert (thing.lookers, thing.looks, board.followers) == (0, 1, 0)


async def test_what_changes_all_the_time_is_told_once_in_an_interval_and_its_last_change_too() -> None:
    pauses: list[float] = []
    pause = asyncio.Event()

    async def wait(seconds: float) -> None:
        pauses.append(seconds)
        await pause.wait()
        pause.clear()

    board = Board(wait)
    thing, heard = Thing(), list[int]()
    async with board.following(thing.topic, lambda: heard.append(thing.change.count)):
        for _ in range(500):
            thing.change.tell()
        await until(_that(lambda: len(pauses) == 1), "the first is told")
        first = list(heard)
        for _ in range(500):
            thing.change.tell()
        assert heard == first
        pause.set()
        await until(_that(lambda: len(pauses) == 2), "the rest is told as one")
        assert heard == [500, 1000]
    await board.close()
    assert pauses == [1.0, 1.0]


async def test_a_client_that_does_not_read_has_one_notice_waiting_and_the_others_have_theirs() -> None:
    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    board = Board(at_once)
    thing, slow, quick, told = Thing(), Outbox(), Outbox(), 0
    async with (
        board.following(thing.topic, lambda: slow.offer(Updated("thing"))),
        board.following(thing.topic, lambda: quick.offer(Updated("thing"))),
    ):
        for _ in range(50):
            thing.change.tell()
            assert await quick.take() == Updated("thing")
            told += 1
    await board.close()
    assert (told, len(slow)) == (50, 1)


async def test_who_comes_later_hears_what_comes_later(board: Board) -> None:
    thing, early, late = Thing(), Outbox(), Outbox()
    async with board.following(thing.topic, lambda: early.offer(Updated("x"))):
        thing.change.tell()
        await early.take()
        async with board.following(thing.topic, lambda: late.offer(Updated("x"))):
            assert not len(late)
            thing.change.tell()
            await asyncio.gather(early.take(), late.take())
    assert thing.looks == 1


async def test_what_cannot_be_looked_at_is_refused_and_can_be_tried_again(board: Board) -> None:
    thing = Thing()
    thing.error = BackgroundJobError("its directory is gone")
    for _ in range(2):
        with pytest.raises(BackgroundJobError, match="directory is gone"):
            async with board.following(thing.topic, list[int]().clear):
                raise AssertionError
    assert (thing.looks, thing.lookers, board.followers) == (2, 0, 0)


async def test_what_fails_later_is_told_once(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    thing, outbox = Thing(), Outbox()
    async with board.following(thing.topic, lambda: outbox.offer(Updated("x"))):
        thing.change.fail(OSError("the disk is gone"))
        assert await outbox.take() == Updated("x")
    assert "the disk is gone" in caplog.text


async def test_there_are_not_more_followers_than_there_can_be(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "MAX_FOLLOWERS", 1)
    thing = Thing()
    async with board.following(thing.topic, list[int]().clear):
        with pytest.raises(InvalidRequestError, match="is the limit"):
            async with board.following(thing.topic, list[int]().clear):
                raise AssertionError
    async with board.following(thing.topic, list[int]().clear):
        assert board.followers == 1


def _that(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return condition()

    return holds
