"""Ends and questions of runs reach whoever started them: at the top of the next answer, once, over restarts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from mcp_background_job.agents.news import news_of
from mcp_background_job.agents.records import Checkpoint
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.news import Item, Kind, Reader, Way
from mcp_background_job.core.run import TERMINAL, RunStatus
from mcp_background_job.executors.places import Places
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import Found, JobNews
from mcp_background_job.registry.news import SqliteNews
from mcp_background_job.server.build import build_server
from tests.agents.fake_agents import Agents
from tests.agents.runs.records import RECORD
from tests.patience import WAIT_S, until
from tests.places.memory import MemoryNames, MemoryPlace
from tests.server.calls import Caller

ME = Reader("me@/project", "1-1")
THEY = Reader("they@/project", "1-1")

_ASKING = Checkpoint(
    status=RunStatus.INPUT_REQUIRED, request={"seq": 7, "type": "input_required", "data": {"text": "rm -rf x"}}
)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_end_is_news_with_what_the_run_came_to(status: RunStatus) -> None:
    item = news_of(RECORD, Checkpoint(status=status, summary="did it"))
    assert item
    assert (item.kind, item.text) == (Kind.ENDED, f"rabcde `bob` {status}: did it")


def test_a_question_is_news_and_another_one_is_other_news() -> None:
    first = news_of(RECORD, _ASKING)
    second = news_of(RECORD, replace(_ASKING, request={"seq": 9, "data": {"error": "log in"}}))
    assert first
    assert second
    assert first.text == "rabcde `bob` input_required: rm -rf x (continue_run answers)"
    assert "log in" in second.text
    assert (first.kind, first.key, second.key) == (Kind.QUESTION, "7", "9")


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING])
def test_nothing_is_new_of_a_run_that_works(status: RunStatus) -> None:
    assert news_of(RECORD, Checkpoint(status=status)) is None


class Runs:
    """Runs, as far as news are concerned.

    Attributes:
        now: what is new of each.
        looks: how often somebody looked.
    """

    def __init__(self) -> None:
        self.now: dict[str, Item | None] = {}
        self.looks = 0

    def has(self, subject: str) -> bool:
        return subject.startswith("r")

    async def look(self, subjects: Collection[str]) -> Found:
        self.looks += 1
        return Found(
            {subject: self.now[subject] for subject in subjects if subject in self.now},
            gone={subject for subject in subjects if subject not in self.now},
        )


class Told:
    """Servers on one store, one after the other."""

    def __init__(self, path: Path) -> None:
        self.runs = Runs()
        self._path = str(path)
        self.restart()

    def restart(self) -> None:
        self.news = JobNews(Places([MemoryPlace()], MemoryNames()), lambda: SqliteNews(self._path))
        self.news.others = self.runs

    async def to(self, reader: Reader, *shown: str) -> list[str]:
        self.news.glance()
        sentences = await self.news.to_tell(reader, Way.ANSWER, shown=shown)
        return [sentence.partition(",")[0] for sentence in sentences]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "news.sqlite3")


def _asks(run_id: str, key: str) -> Item:
    return Item(subject=run_id, kind=Kind.QUESTION, at=None, text=f"{run_id} asks {key}", key=key)


def _ended(run_id: str) -> Item:
    return Item(subject=run_id, kind=Kind.ENDED, at=None, text=f"{run_id} ended")


async def test_each_question_and_the_end_are_told_once_and_to_whoever_started_the_run(told: Told) -> None:
    told.runs.now = {"r1": None, "r2": None}
    told.news.expect(ME, ["r1"])
    told.news.expect(THEY, ["r2"])
    assert await told.to(ME) == []
    told.runs.now = {"r1": _asks("r1", "3"), "r2": _asks("r2", "4")}
    assert await told.to(ME) == ["r1 asks 3"]
    assert await told.to(ME) == []
    told.news.close()
    told.restart()
    assert await told.to(ME) == [], "a new server tells nothing again"
    assert await told.to(THEY) == ["r2 asks 4"]
    told.runs.now["r1"] = _asks("r1", "5")
    assert await told.to(ME) == ["r1 asks 5"]
    told.runs.now["r1"] = _ended("r1")
    told.news.close()
    told.restart()
    assert await told.to(ME) == ["r1 ended"]
    assert await told.to(ME) == []
    assert await told.to(THEY) == []
    told.news.close()


async def test_what_an_answer_shows_is_not_told_beside_it_nor_after_it(told: Told) -> None:
    told.runs.now = {"r1": _asks("r1", "3"), "r2": _ended("r2")}
    told.news.expect(ME, ["r1", "r2"])
    assert await told.to(ME, "r1", "r2") == []
    assert await told.to(ME) == []
    told.news.close()


async def test_a_question_that_was_answered_before_anybody_was_told_is_not_told(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.jobs.news.goes_on", {ME.conversation, "2-2"}.__contains__)
    other = replace(ME, conversation="2-2")
    told.runs.now = {"r1": _asks("r1", "3")}
    told.news.expect(other, ["r1"])
    assert await told.to(ME) == [], "it is for another conversation"
    told.runs.now = {"r1": None}
    assert await told.to(other) == []
    told.news.close()


async def test_nobody_looks_for_one_who_awaits_no_run_and_a_run_that_is_gone_is_not_awaited(told: Told) -> None:
    await told.to(ME)
    assert told.runs.looks == 0
    told.news.expect(ME, ["r1"])
    assert await told.to(ME) == []
    assert await told.to(ME) == []
    assert told.runs.looks == 1
    told.news.close()


async def test_whoever_awaits_something_from_now_on_is_told_although_the_store_is_busy(told: Told) -> None:
    told.runs.now = {"r1": _ended("r1")}

    async def is_quiet() -> bool:
        await told.to(ME)
        return bool(told.news._nothing_new)

    await until(is_quiet, "nothing new at a glance")
    busy = threading.Event()
    told.news._thread.call_later(lambda: busy.wait(WAIT_S))
    told.news.expect(ME, ["r1"])
    asked = asyncio.create_task(told.to(ME))
    await asyncio.sleep(0)  # it has glanced, and waits for the store
    busy.set()
    assert await asked == ["r1 ended"]
    told.news.close()


ASKS = """
said = greet()
allowed = ask("r1", "rm -rf " + said)
open(GO).read()
speak("answer: " + allowed["behavior"])
done("ok")
while hear() is not None:
    pass
"""


async def _news(client: Caller) -> list[str]:
    """Call a tool until there are news at the top of its answer."""
    found: list[str] = []

    async def is_told() -> bool:
        found.extend((await client.facts("list_jobs", limit=1)).get("endings", []))
        return bool(found)

    await until(is_told, "news of a run")
    return found


@pytest.mark.real_process
async def test_a_question_that_nobody_polls_for_is_told_and_the_end_by_the_next_server(
    manager: JobManager, agents: Agents
) -> None:
    go = agents.directory / "go"
    os.mkfifo(go)
    asked: dict[str, Any] = {
        "backend": "claude_code",
        "cwd": str(agents.workspace),
        "prompt": "x",
        "backend_config": agents.claude(f"GO = {str(go)!r}\n{ASKS}").config,
    }
    async with Client(build_server(manager, load_settings())) as first:
        client = Caller(first)
        spawned = await client.facts("spawn_run", **asked)
        run_id = spawned["run_id"]
        # It may ask before its start is answered.
        (question,) = spawned.get("endings") or await _news(client)
        assert f"{run_id} `" in question
        assert "input_required" in question
        job = await client.facts("execute_command", command="sleep 300", wait_s=0)
        waited = await client.facts("wait_for_job", job_id=[job["job_id"], run_id], wait_s=WAIT_S)
        assert [row["why"] for row in waited["jobs"] if row.get("run_id") == run_id] == ["question"]
        assert "endings" not in waited
        await client.facts("kill_job", job_id=job["job_id"])
        await client.facts("continue_run", run_id=run_id, input_message=_answer("allow_once"))
    later = build(load_settings())
    async with Client(build_server(later, load_settings())) as second:
        client = Caller(second)
        await asyncio.to_thread(go.write_text, "")
        (end,) = await _news(client)
        assert f"{run_id} `" in end
        assert "completed" in end
        waited = await client.facts("wait_for_job", job_id=run_id)
        (row,) = waited["jobs"]
        assert (row["why"], row["status"], row["result"]["final_response"]) == ("exit", "completed", "ok")
        assert "endings" not in waited


def _answer(option_id: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "data", "data": {"option_id": option_id}}]}
