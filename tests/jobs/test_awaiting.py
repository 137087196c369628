"""What a stop hook waits for, and what it tells."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from mcp_background_job.core.hooks import MAX_ROUNDS
from mcp_background_job.core.news import Item, Kind, Reader, Way, matches_of
from mcp_background_job.executors.usage import Usage
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.tasks import TaskRecord, TaskStore
from mcp_background_job.jobs.awaiting import Awaiting
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import Found
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.processes.client import conversation_of
from tests.patience import until
from tests.places.memory import MemoryPlace

CLIENT = conversation_of(os.getpid())
ME = Reader("codex@/work/a", CLIENT)
OTHER_TALK = Reader("codex@/work/a", "1-1-other")


class Runs:
    """Runs that say what a test has them say."""

    def __init__(self) -> None:
        self.items: dict[str, Item | None] = {}

    def has(self, subject: str) -> bool:
        return subject.startswith("r")

    async def look(self, subjects: Collection[str]) -> Found:
        return Found({subject: self.items.get(subject) for subject in subjects})


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def tasks(tmp_path: Path) -> TaskStore:
    return TaskStore(str(tmp_path / "tasks"))


@pytest.fixture
def awaiting(memory_manager: JobManager, runs: Runs, tasks: TaskStore) -> Awaiting:
    return Awaiting(memory_manager, runs, tasks, [ME])


async def start(manager: JobManager, *, name: str | None = None, reader: Reader = ME) -> str:
    started = await manager.start(StartRequest(command="obeys", stdin="pipe", name=name))
    manager.news.expect(reader, [started.job.job_id])
    return started.job.job_id


async def say(manager: JobManager, job_id: str, words: bytes) -> None:
    await manager.send_input(await manager.find(job_id), words)


async def told(awaiting: Awaiting, *, by_hook: bool = False, limit_s: float = math.inf) -> list[str]:
    return await awaiting.told(goes_on_by_hook=by_hook, is_wanted=lambda: True, deadline=time.monotonic() + limit_s)


async def test_the_end_of_a_job_is_told_by_its_name_and_not_again(
    memory_manager: JobManager, awaiting: Awaiting
) -> None:
    job_id = await start(memory_manager, name="fit")
    waiting = asyncio.create_task(told(awaiting))

    async def is_watched() -> bool:
        return memory_manager.hub.subscribers > 0

    await until(is_watched, "the hook waits for the job")
    await say(memory_manager, job_id, b"exit 7\n")

    (sentence,) = await waiting
    assert sentence.startswith(f"job {job_id} `fit` failed, exit 7")
    assert await told(awaiting) == []
    assert await memory_manager.news.to_tell(ME, Way.ANSWER) == []


async def test_what_another_conversation_started_is_neither_waited_for_nor_told(
    memory_manager: JobManager, awaiting: Awaiting
) -> None:
    await start(memory_manager, reader=OTHER_TALK)
    over = await start(memory_manager, reader=Reader(ME.name))
    await say(memory_manager, over, b"exit 1\n")
    assert await told(awaiting) == []
    assert len(await memory_manager.news.to_tell(Reader(ME.name), Way.ANSWER)) == 1


async def test_a_wait_is_over_when_its_time_is(memory_manager: JobManager, awaiting: Awaiting) -> None:
    await start(memory_manager)
    assert await told(awaiting, limit_s=0.05) == []


async def test_nothing_counts_as_told_that_nobody_would_hear(memory_manager: JobManager, awaiting: Awaiting) -> None:
    job_id = await start(memory_manager)
    assert await awaiting.told(goes_on_by_hook=False, is_wanted=lambda: False, deadline=math.inf) == []
    await say(memory_manager, job_id, b"exit 1\n")
    assert await awaiting.told(goes_on_by_hook=False, is_wanted=lambda: False, deadline=math.inf) == []
    assert len(await told(awaiting)) == 1


async def test_a_named_job_that_listens_or_was_found_ready_is_not_waited_for(
    memory_manager: JobManager, memory_place: MemoryPlace, awaiting: Awaiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = await start(memory_manager, name="watcher")
    memory_manager.news.show(ME, ready, {matches_of("compiled"): 9})
    assert await told(awaiting) == []

    unnamed = await start(memory_manager)
    listening = Usage(processes=1, cpu_s=0.0, memory=0, ports=[8000])

    def usage_seen(job_id: str, seen: Observation) -> Usage:
        assert job_id
        assert seen
        return listening

    monkeypatch.setattr(memory_place, "usage_seen", usage_seen)
    await say(memory_manager, unnamed, b"exit 0\n")
    assert len(await told(awaiting)) == 1

    await start(memory_manager, name="web")
    assert await told(awaiting) == []


async def test_a_question_is_told_once_and_then_it_is_for_the_model_to_answer(
    memory_manager: JobManager, awaiting: Awaiting, runs: Runs
) -> None:
    memory_manager.news.expect(ME, ["rabcd"])
    runs.items["rabcd"] = Item(subject="rabcd", kind=Kind.QUESTION, at=1.0, text="rabcd `x` asks: which?", key="4")
    (sentence,) = await told(awaiting)
    assert sentence.startswith("run rabcd `x` asks: which?")
    assert await told(awaiting) == []

    runs.items["rabcd"] = Item(subject="rabcd", kind=Kind.ENDED, at=2.0, text="rabcd `x` completed")
    assert len(await told(awaiting)) == 1


async def test_a_model_that_is_woken_again_and_again_is_let_go(memory_manager: JobManager, awaiting: Awaiting) -> None:
    for number in range(MAX_ROUNDS + 1):
        job_id = await start(memory_manager)
        await say(memory_manager, job_id, b"exit 1\n")
        assert bool(await told(awaiting, by_hook=number > 0)) is (number < MAX_ROUNDS)
    assert len(await told(awaiting)) == 1  # a person has said something meanwhile


async def test_an_end_that_the_client_fetches_by_a_task_is_left_to_that(
    memory_manager: JobManager, awaiting: Awaiting, tasks: TaskStore
) -> None:
    fetched, other = await start(memory_manager), await start(memory_manager)
    tasks.create(TaskRecord(task_id=fetched, tool="t", state={}, created_at=1.0, subjects=[fetched]))
    await say(memory_manager, fetched, b"exit 1\n")
    await say(memory_manager, other, b"exit 2\n")

    (sentence,) = await told(awaiting)
    assert sentence.startswith(f"job {other} failed, exit 2")
    assert await told(awaiting) == []

    tasks.wish_cancel(fetched)  # nobody fetches it any more
    (sentence,) = await told(awaiting)
    assert sentence.startswith(f"job {fetched} failed, exit 1")


async def test_nothing_is_waited_for_where_all_is_fetched_by_tasks(
    memory_manager: JobManager, awaiting: Awaiting, tasks: TaskStore
) -> None:
    job_id = await start(memory_manager)
    record = TaskRecord(task_id="w1", tool="t", state={}, created_at=1.0, is_wait=True, subjects=[job_id])
    tasks.create(record)
    assert await told(awaiting) == []
    await say(memory_manager, job_id, b"exit 0\n")
