"""Tasks on disk: whoever comes first writes, and what is there is found whatever the id is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.errors import CorruptRecordError, StateDirError
from mcp_background_job.jobdir.tasks import TaskEnd, TaskRecord, TaskStore


@pytest.fixture
def store(tmp_path: Path) -> TaskStore:
    """A store with nothing in it."""
    return TaskStore(str(tmp_path / "tasks"))


def _record(task_id: str) -> TaskRecord:
    return TaskRecord(task_id=task_id, tool="execute_command", state={"job_id": task_id}, created_at=1.0)


@given(task_ids=st.sets(st.text(min_size=1, max_size=300), min_size=1, max_size=5))
def test_any_id_is_found_again_and_none_leads_out_of_the_directory(
    task_ids: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any")
    store = TaskStore(str(path / "tasks"))
    for task_id in task_ids:
        assert store.create(_record(task_id))
        assert not store.create(_record(task_id))
    assert {task_id: store.find(task_id) for task_id in task_ids} == {one: _record(one) for one in task_ids}
    assert [entry.name for entry in path.iterdir()] == ["tasks"]


def test_the_first_end_stands(store: TaskStore) -> None:
    store.create(_record("j1"))
    first, second = TaskEnd(status="completed", at=1.0, result={"a": 1}), TaskEnd(status="cancelled", at=2.0)
    assert store.note_end("j1", first) == first
    assert store.note_end("j1", second) == store.end("j1") == first


def test_a_question_keeps_its_number_until_it_is_answered_or_another_is_asked(store: TaskStore) -> None:
    store.create(_record("j1"))
    asked = store.ask("j1", "a")
    assert asked is not None
    assert store.ask("j1", "a") == asked
    assert store.note_answer("j1", asked, declined=False)
    assert not store.note_answer("j1", asked, declined=False)
    again, other = store.ask("j1", "a"), store.ask("j1", "b")
    assert (asked.number, again and again.number, other and other.number) == (1, 2, 3)
    assert other is not None
    store.note_answer("j1", other, declined=True)
    assert store.ask("j1", "b") is None


def test_what_is_to_be_stopped_is_found_until_it_has_ended(store: TaskStore) -> None:
    for task_id in ("j1", "j2", "j3"):
        store.create(_record(task_id))
    store.wish_cancel("j1")
    store.wish_cancel("j2")
    store.note_end("j2", TaskEnd(status="cancelled", at=1.0))
    assert [record.task_id for record in store.to_be_stopped()] == ["j1"]


def test_a_task_is_kept_as_long_as_somebody_asks_for_it(store: TaskStore, tmp_path: Path) -> None:
    long_ago = time.time() - 1000
    for task_id in ("old", "asked"):
        store.create(_record(task_id))
        os.utime(tmp_path / "tasks" / task_id, (long_ago, long_ago))
    assert store.find("asked")
    store.remove(time.time() - 500)
    assert (store.find("old"), store.find("asked")) == (None, _record("asked"))


def test_what_cannot_be_read_or_written_is_said(store: TaskStore, tmp_path: Path) -> None:
    store.create(_record("j1"))
    (tmp_path / "tasks" / "j1" / "task.json").write_text("{")
    with pytest.raises(CorruptRecordError, match=r"task\.json"):
        store.find("j1")
    (tmp_path / "file").write_text("")
    with pytest.raises(StateDirError, match="cannot be made"):
        TaskStore(str(tmp_path / "file")).create(_record("j1"))


def test_an_end_is_promised_while_its_client_asks_and_nobody_knows_it(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks")
    store = TaskStore(path)
    for task_id in ("fetched", "ended", "stopped", "forgotten"):
        store.create(TaskRecord(task_id=task_id, tool="t", state={}, created_at=1.0, subjects=[f"of {task_id}", "w"]))
    store.create(_record("of nothing"))
    store.note_end("ended", TaskEnd(status="completed", at=1.0))
    store.wish_cancel("stopped")
    now = time.time()
    for entry in Path(path).iterdir():
        os.utime(entry, (now, now))
    os.utime(Path(path) / "forgotten", (1.0, 1.0))
    assert store.promised(now - 1) == {"of fetched", "w"}
    assert store.promised(now + 1) == set()
    assert TaskStore(f"{path}-none").promised(0.0) == set()
