"""What keeps tasks, with work that is what the test says: no process, and a real directory of tasks."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.later import GoesOn, Going, Later, Question, State
from mcp_background_job.core.news import Reader
from mcp_background_job.errors import StateDirError
from mcp_background_job.jobdir.tasks import TaskEnd, TaskStore
from mcp_background_job.jobs.news import JobNews
from mcp_background_job.server.tasks import keeper as keeping
from mcp_background_job.server.tasks.keeper import Keeper

HOSTILE = [
    "../../etc/passwd",
    "a/b",
    ".",
    "..",
    "\0",
    "nul\0l",
    "\ud800",
    "~" + "0" * 64,
    "j" * 10_000,
    "\N{SNOWMAN}",
]


_ME = Caller(client="test", directory="/", project="", reader=Reader("test@/"))


@dataclass
class _Work:
    """A tool whose work the test ends, and what was done with it."""

    report: dict[str, Any] | Going = field(default_factory=lambda: Going(doing="works"))
    signs: Hashable = None
    done: list[str] = field(default_factory=list[str])

    @property
    def tool(self) -> Any:
        action = SimpleNamespace(
            later=Later(self._look, self._stop, self._answer, lambda _: self.signs, lambda state: [state["job_id"]])
        )
        return SimpleNamespace(action=action, result=self._result)

    @staticmethod
    def _result(report: dict[str, Any], _: list[str]) -> Any:
        return SimpleNamespace(content=[], structured_content=report, is_error=False, meta=None)

    async def _look(self, _caller: Caller, _state: State) -> Any:
        self.done.append("look")
        await asyncio.sleep(0)
        return self.report

    async def _stop(self, _caller: Caller, state: State) -> None:
        self.done.append(f"stop {state['job_id']}")

    async def _answer(self, _caller: Caller, _state: State, fields: dict[str, Any] | None) -> None:
        self.done.append(f"answer {fields}")


class _News:
    async def tell_end(self, *_: object) -> None:
        raise AssertionError("it has shown no job")


@pytest.fixture
def work() -> _Work:
    """Work that goes on."""
    return _Work()


@pytest.fixture
def store(tmp_path: Path) -> TaskStore:
    """A store with nothing in it."""
    return TaskStore(str(tmp_path / "tasks"))


@pytest.fixture
def another(store: TaskStore, work: _Work) -> Callable[[], Keeper]:
    """What makes the keeper of one more server on the same directory."""
    news = cast("JobNews", _News())
    return lambda: Keeper(store, lambda name: work.tool if name == "work" else None, news, keep_s=60.0)


@pytest.fixture
def keeper(another: Callable[[], Keeper]) -> Keeper:
    """A keeper."""
    return another()


async def _start(keeper: Keeper, subject: str) -> str:
    return (await keeper.create(_ME, "work", GoesOn(subject, {"job_id": subject}))).task_id


async def _status(keeper: Keeper, task_id: str) -> str | None:
    told = await keeper.get(task_id, can_ask=True)
    return told["status"] if told else None


async def test_what_shows_no_sign_of_change_is_not_looked_at_again(
    keeper: Keeper, work: _Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await _start(keeper, "j1")

    async def looks(signs: Hashable) -> int:
        work.signs, before = signs, len(work.done)
        assert await _status(keeper, task_id) == "working"
        return len(work.done) - before

    assert [await looks(signs) for signs in (None, None, 1, 1, 1, 2, 2, None)] == [1, 1, 1, 0, 0, 1, 0, 1]
    monkeypatch.setattr(keeping, "_LOOK_AGAIN_S", 0.0)  # a killed runner leaves no sign
    assert await looks(2) == 1
    work.report, work.signs = {"status": "completed"}, 3
    assert await _status(keeper, task_id) == "completed"


@pytest.mark.parametrize("task_id", HOSTILE, ids=range(len(HOSTILE)))
async def test_any_id_is_a_task_or_none(keeper: Keeper, work: _Work, task_id: str, tmp_path: Path) -> None:
    assert await _status(keeper, task_id) is None
    assert not await keeper.update(task_id, {"question-1": {"action": "accept", "content": {}}})
    assert not await keeper.cancel(task_id)
    assert await _start(keeper, task_id)
    assert await _status(keeper, task_id) == "working"
    assert await keeper.update(task_id, {"question-1": {"action": "accept", "content": {}}})
    for _ in range(2):
        assert await keeper.cancel(task_id)
    await keeper.close()
    assert {one.split(" ")[0] for one in work.done} == {"look", "stop"}
    assert os.listdir(tmp_path) == ["tasks"]


async def test_an_answer_to_what_is_not_asked_does_nothing(keeper: Keeper, work: _Work) -> None:
    task_id = await _start(keeper, "j1")
    work.report = Going(doing="asks", question=Question(mark="1", text="Sure?"))
    told = await keeper.get(task_id, can_ask=True)
    assert told
    (key,) = told["inputRequests"]
    yes: dict[str, Any] = {"action": "accept", "content": {"text": "yes"}}
    answers: list[dict[str, Any]] = [{}, {"other": yes}, {key: "yes"}, {key: None}, {key: ["accept"]}]
    for responses in answers:
        assert await keeper.update(task_id, responses)
    work.report = Going(doing="asks", question=Question(mark="2", text="Really?"))
    assert await keeper.update(task_id, {key: yes}), "it asks something else by now"
    assert [one for one in work.done if one != "look"] == []
    work.report = Going(doing="asks", question=Question(mark="1", text="Sure?"))
    for _ in range(2):
        assert await keeper.update(task_id, {key: yes})
    assert [one for one in work.done if one != "look"] == ["answer {'text': 'yes'}"]


async def test_servers_that_are_asked_at_once_tell_the_same_end(another: Callable[[], Keeper], work: _Work) -> None:
    keepers = [another() for _ in range(8)]
    task_id = await _start(keepers[0], "j1")
    work.report = {"status": "completed", "n": 1}
    told = await asyncio.gather(*(keeper.get(task_id, can_ask=True) for keeper in keepers))
    work.report = {"status": "completed", "n": 2}
    told.append(await another().get(task_id, can_ask=True))
    ends: list[dict[str, Any]] = [{**(one or {}), "ttlMs": 0} for one in told]
    assert ends == [ends[0]] * 9
    assert ends[0]["result"]["structuredContent"] == {"status": "completed", "n": 1}


async def test_an_end_that_cannot_be_written_down_is_told(
    keeper: Keeper, work: _Work, store: TaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await _start(keeper, "j1")

    def full(*_: object) -> TaskEnd:
        raise StateDirError(f"no space: {errno.ENOSPC}")

    monkeypatch.setattr(store, "note_end", full)
    work.report = {"status": "completed"}
    assert await _status(keeper, task_id) == "completed"


async def test_who_starts_goes_on_with_the_cancels_that_died_with_others(
    another: Callable[[], Keeper], work: _Work, store: TaskStore
) -> None:
    before = another()
    for subject in ("j1", "j2", "j3", ""):
        store.wish_cancel(await _start(before, subject))
    await _start(before, "j4")
    store.note_end("j3", TaskEnd(status="cancelled", at=1.0))
    now = another()
    await now.go_on()
    await asyncio.sleep(0)
    await now.close()
    assert sorted(work.done) == ["stop j1", "stop j2"], "no wait, nothing that has ended, nothing that nobody cancelled"
