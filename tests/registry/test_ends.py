"""What is due at the ends of batches and prompts, and that a feeder cannot end before it was run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.ends import SqliteEnds
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.registry.servers import SqliteServers

HERE, THERE = "http://127.0.0.1:8188", "http://127.0.0.1:8199"


class Store:
    """A journal, and the parts that share it."""

    def __init__(self, path: Path) -> None:
        self.journal = SqliteJournal(str(path))
        self.batches = SqliteBatches(self.journal.database)
        self.servers = SqliteServers(self.journal.database)
        self.ends = SqliteEnds(self.journal.database)

    def record(self, stage: Stage, **values: Any) -> None:
        one = Submission(prompt_id="p1", server=HERE, submitted_at=2.0, graph="{}", stage=stage)
        self.journal.record([replace(one, **values)])
        self.ends.wish("p1", HERE, "notify")

    def due(self) -> list[str]:
        return [end.subject for end in self.ends.due(HERE)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "comfyui.sqlite3")
    with contextlib.closing(store.journal):
        yield store


@pytest.mark.parametrize(
    ("stage", "values", "is_due", "is_awaited", "may_end"),
    [
        (Stage.SENDING, {}, False, True, False),
        (Stage.ACCEPTED, {}, False, True, False),
        (Stage.ACCEPTED, {"end": End.COMPLETED, "ended_at": 3.0}, True, False, False),
        (Stage.ACCEPTED, {"end": End.LOST, "ended_at": 3.0}, True, False, False),
        (Stage.ACCEPTED, {"end": End.LOST, "ended_at": 3.0, "requeue": True}, False, False, False),
        (Stage.REFUSED, {"reason": "no such node"}, True, False, False),
        (Stage.WAITING, {"end": End.CANCELLED, "ended_at": 3.0}, True, False, False),
    ],
)
def test_a_prompt_is_due_when_it_is_over_and_keeps_its_feeder_until_that_was_told(
    store: Store, stage: Stage, values: dict[str, Any], *, is_due: bool, is_awaited: bool, may_end: bool
) -> None:
    store.record(stage, **values)
    assert (store.due() == ["p1"], bool(store.ends.awaited(HERE))) == (is_due, is_awaited)
    assert store.servers.end_feeding(HERE, "j1") is may_end
    assert store.servers.with_work() == [HERE]
    assert (store.ends.due(THERE), store.ends.awaited(THERE)) == ([], [])
    store.ends.told("p1", at=4.0)
    assert (store.due(), store.ends.awaited(HERE), store.ends.is_told("p1")) == ([], [], True)
    assert store.servers.end_feeding(HERE, "j1")


def test_what_waits_while_the_queue_is_paused_keeps_no_feeder(store: Store) -> None:
    store.record(Stage.WAITING)
    store.servers.pause(HERE, by="test", at=1.0)
    assert store.servers.end_feeding(HERE, "j1")
    assert store.servers.with_work() == []


def test_a_batch_that_is_tried_again_is_due_once_more(store: Store) -> None:
    one = Submission(
        prompt_id="p1", server=HERE, submitted_at=1.0, graph="", stage=Stage.WAITING, batch_id="b1", position=0,
        graph_id="b1/0",
    )  # fmt: skip
    store.batches.create(Batch(batch_id="b1", server=HERE, created_at=1.0), [one], {"b1/0": ("{}", "{}")})
    store.ends.wish("b1", HERE, "notify")
    assert store.due() == []
    store.journal.ended(["p1"], End.FAILED, at=2.0)
    assert store.batches.ended("b1", at=3.0)
    [end] = store.ends.due(HERE)
    assert (end.subject, end.command, end.ended_at, end.is_batch) == ("b1", "notify", 3.0, True)
    assert not store.servers.end_feeding(HERE, "j1")
    store.ends.told("b1", at=4.0)
    assert store.servers.end_feeding(HERE, "j1")
    store.batches.retry("b1", {"p1": replace(one, prompt_id="p2")})
    assert store.due() == []
    store.journal.ended(["p2"], End.COMPLETED, at=5.0)
    store.batches.ended("b1", at=6.0)
    assert store.due() == ["b1"]
