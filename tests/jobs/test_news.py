"""What is new of jobs is learnt from time stamps where nothing is, and from the store where something may be."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.core.news import Item, Kind, Reader, Way
from mcp_background_job.executors.places import Places
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import JobNews
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.registry.news import SqliteNews
from tests.patience import until
from tests.places.memory import MemoryNames, MemoryPlace

ME = Reader("client@project", "this")


class Store:
    """A store on disk, and how often somebody has looked into it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.looks = 0

    def open(self) -> SqliteNews:
        store = self

        class Counting(SqliteNews):
            def awaited(self, reader: Reader) -> dict[str, str]:  # every look begins with this
                store.looks += 1
                return super().awaited(reader)

        return Counting(self.path)

    def add(self, item: Item) -> None:
        """Add news, as another process does."""
        with contextlib.closing(SqliteNews(self.path)) as other:
            other.add(ME, [item], at=time.time())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "news.sqlite3"))


@pytest.fixture
def news(memory_place: MemoryPlace, store: Store) -> Generator[JobNews]:
    looked_at = JobNews(Places([memory_place], MemoryNames()), store.open)
    yield looked_at
    looked_at.close()


async def told_at_a_glance(news: JobNews, reader: Reader = ME) -> list[str]:
    news.glance()
    return await news.to_tell(reader, Way.ANSWER)


async def calm(news: JobNews, store: Store, reader: Reader = ME) -> None:
    """Wait until a glance is enough."""

    async def is_calm() -> bool:
        before = store.looks
        assert await told_at_a_glance(news, reader) == []
        return store.looks == before

    await until(is_calm, "a glance is enough")


async def start(memory_manager: JobManager, news: JobNews) -> str:
    started = await memory_manager.start(StartRequest(command="obeys", stdin="pipe"))
    news.expect(ME, [started.job.job_id])
    return started.job.job_id


async def test_an_end_is_told_although_a_glance_was_enough_before(
    memory_manager: JobManager, news: JobNews, store: Store
) -> None:
    job_id = await start(memory_manager, news)
    await calm(news, store)
    await memory_manager.send_input(await memory_manager.find(job_id), b"exit 3\n")

    (sentence,) = await told_at_a_glance(news)
    assert job_id in sentence
    await calm(news, store)


async def test_a_glance_is_for_one_answer_and_not_for_another_reader(news: JobNews, store: Store) -> None:
    await calm(news, store)
    before = store.looks
    await news.to_tell(ME, Way.ANSWER)
    assert store.looks == before + 1
    await calm(news, store)
    before = store.looks
    await told_at_a_glance(news, Reader("another"))
    news.expect(ME, ["jabcd"])
    await told_at_a_glance(news)
    assert store.looks == before + 2


@pytest.mark.parametrize("conversation", ["", "this"])
async def test_what_another_process_has_written_is_told(news: JobNews, store: Store, conversation: str) -> None:
    await calm(news, store)
    store.add(Item(subject="jabcd", kind=Kind.QUESTION, at=None, text="it asks", conversation=conversation))
    (sentence,) = await told_at_a_glance(news)
    assert "it asks" in sentence


async def test_news_for_a_conversation_that_goes_on_are_looked_at_until_it_ends(
    news: JobNews, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = {"theirs"}
    monkeypatch.setattr("mcp_background_job.jobs.news.goes_on", going_on.__contains__)
    store.add(Item(subject="jabcd", kind=Kind.ENDED, at=None, text="jabcd completed", conversation="theirs"))
    before = store.looks
    for _ in range(3):
        assert await told_at_a_glance(news) == []
    assert store.looks == before + 3
    going_on.clear()
    assert len(await told_at_a_glance(news)) == 1
