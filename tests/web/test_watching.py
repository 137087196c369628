"""Long polls, over subjects of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mcp_background_job.actions.asked import Asked
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject
from mcp_background_job.errors import InvalidRequestError, UnknownJobError
from mcp_background_job.jobs.waiting.change import Change
from mcp_background_job.web import watching as watching_module
from mcp_background_job.web.parts import page_caller
from mcp_background_job.web.watching import MAX_SUBJECTS, Shown, Watch, Watching
from tests.patience import WAIT_S, until

CALLER = page_caller("/here")

#: A poll that nothing answers lasts as long as it may: the test lets it run out.
SHORT_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Which:
    name: str = ""


class Counter:
    """A subject that counts what happens to it."""

    def __init__(self, name: str = "counter") -> None:
        self.change = Change()
        self.looks = 0
        self.kept = 0
        self.trouble = ""
        self.cannot_be_kept: Exception | None = None
        self.subject = Subject(name, Which, self._look, self._wait, self._keep)

    async def _look(self, _caller: Any, request: Which, cursor: Cursor) -> Seen | None:
        self.looks += 1
        if self.trouble:
            raise UnknownJobError(self.trouble)
        count = self.change.count
        return None if cursor == count else Seen(count, {"name": request.name, "count": count})

    async def _wait(self, _caller: Any, _request: Which, cursor: Cursor) -> None:
        await self.change.beyond(cursor if isinstance(cursor, int) else -1, None)

    @contextlib.asynccontextmanager
    async def _keep(self, _caller: Any, _request: Which) -> AsyncGenerator[None]:
        if self.cannot_be_kept:
            raise self.cannot_be_kept
        self.kept += 1
        try:
            yield
        finally:
            self.kept -= 1


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
async def watching(counter: Counter) -> AsyncGenerator[Watching]:
    one = Watching([counter.subject])
    yield one
    await one.close()


Poll = Callable[..., Any]


@pytest.fixture
def poll(watching: Watching) -> Poll:
    async def ask(cursor: Cursor = None, wait_s: float = WAIT_S, page: str = "page", **more: Shown) -> dict[str, Any]:
        shown = {"a": Shown(subject="counter", cursor=cursor), **more}
        return (await watching.watch(CALLER, Watch(page=page, shown=shown, wait_s=wait_s)))["changed"]

    return ask


async def test_what_a_page_has_not_seen_is_told_at_once_and_then_what_changes(poll: Poll, counter: Counter) -> None:
    assert await poll() == {"a": {"cursor": 0, "facts": {"name": "", "count": 0}}}

    waiting = asyncio.create_task(poll(0))
    await until(lambda: _is(counter.looks > 1), "the page waits")
    counter.change.tell()

    assert (await waiting)["a"]["facts"]["count"] == 1


async def _is(true: bool) -> bool:  # noqa: FBT001
    return true


async def test_a_poll_ends_when_its_time_is_over_and_nothing_has_changed(poll: Poll) -> None:
    assert await poll(0, wait_s=SHORT_S) == {}


async def test_only_what_has_changed_is_told(poll: Poll, counter: Counter) -> None:
    counter.change.tell()

    told = await poll(0, b=Shown(subject="counter", args={"name": "b"}, cursor=1))

    assert list(told) == ["a"]


async def test_the_next_poll_of_a_page_ends_the_one_before(poll: Poll, counter: Counter) -> None:
    first = asyncio.create_task(poll(0))
    await until(lambda: _is(counter.looks == 1), "the page waits")

    second = asyncio.create_task(poll(0))

    assert await first == {}
    counter.change.tell()
    assert (await second)["a"]["cursor"] == 1
    assert counter.looks == 2  # the look of the first went on


async def test_what_a_page_shows_first_waits_for_no_turn(poll: Poll, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "_PACE_S", 10 * WAIT_S)
    await poll()

    assert list(await poll(0, b=Shown(subject="counter", args={"name": "b"}))) == ["b"]


async def test_an_answer_that_was_lost_is_told_again(poll: Poll) -> None:
    assert await poll() == await poll()


async def test_what_is_kept_is_kept_between_polls_and_let_go_with_the_last(
    poll: Poll, watching: Watching, counter: Counter
) -> None:
    await poll()
    await poll(0, wait_s=SHORT_S)
    assert counter.kept == 1

    await watching.watch(CALLER, Watch(page="page", shown={}, wait_s=0))
    await until(lambda: _is(counter.kept == 0), "it is let go")

    await poll(0, wait_s=SHORT_S)
    assert counter.kept == 1
    await watching.close()
    await until(lambda: _is(counter.kept == 0), "it is let go")


async def test_trouble_with_one_thing_is_told_once_and_no_trouble_to_the_others(poll: Poll, counter: Counter) -> None:
    counter.trouble = "there is no such job"

    told = await poll(None, b=Shown(subject="nothing"))

    assert told["a"]["code"] == "unknown_job"
    assert told["b"]["code"] == "invalid_request"
    cursors = {key: one["cursor"] for key, one in told.items()}
    again = Shown(subject="nothing", cursor=cursors["b"])
    assert await poll(cursors["a"], wait_s=SHORT_S, b=again) == {}


async def test_what_is_looked_at_first_waits_for_nothing_that_is_kept(poll: Poll, counter: Counter) -> None:
    assert (await poll())["a"]["cursor"] == 0
    assert counter.kept == 0


async def test_what_cannot_be_kept_is_told_and_tried_again(poll: Poll, counter: Counter) -> None:
    counter.cannot_be_kept = UnknownJobError("there is no such job")
    told = (await poll(0))["a"]
    assert told["code"] == "unknown_job"
    counter.cannot_be_kept = OSError("no room")
    with pytest.raises(OSError, match="no room"):  # an error of ours, which no look may wait for for ever
        await poll(0)
    counter.cannot_be_kept = None

    assert (await poll(told["cursor"]))["a"]["cursor"] == 0
    assert counter.kept == 1


async def test_a_cursor_of_trouble_that_is_over_sees_everything(poll: Poll, counter: Counter) -> None:
    counter.trouble = "gone"
    cursor = (await poll())["a"]["cursor"]
    counter.trouble = ""

    assert (await poll(cursor))["a"]["facts"]["count"] == 0


def test_a_page_shows_so_much_and_no_more() -> None:
    shown = {str(number): {"subject": "counter"} for number in range(MAX_SUBJECTS + 1)}

    with pytest.raises(InvalidRequestError, match="shown"):
        Asked[Watch](Watch).of({"page": "page", "shown": shown})
