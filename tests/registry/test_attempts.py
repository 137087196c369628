"""Attempts are begun and ended by triggers, whoever writes; and what is said of one stays said."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.attempt import BY_US, LOST, SERVER_ENDED, Attempt
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import End, Result, Stage, Submission
from mcp_background_job.registry.attempts import SqliteAttempts
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal

HERE = "http://127.0.0.1:8188"


class Store:
    """A journal with one batch of one prompt, ``two``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = SqliteJournal(str(path))
        self.attempts = SqliteAttempts(self.journal.database)
        self.batches = SqliteBatches(self.journal.database)
        prompt = Submission(
            prompt_id="two", server=HERE, submitted_at=1.0, graph="", stage=Stage.WAITING, batch_id="b1", position=0,
            graph_id="b1/0",
        )  # fmt: skip
        self.batches.create(Batch(batch_id="b1", server=HERE, created_at=1.0), [prompt], {"b1/0": ("{}", "{}")})

    def claim(self, at: float, *, is_alone: bool = True) -> str | None:
        claimed = self.batches.claim_next(HERE, ["b1"], at=at, is_alone=is_alone, boot=f"life {at:g}")
        return claimed.prompt_id if claimed else None

    def only(self, prompt_id: str = "two") -> Attempt:
        (attempt,) = self.attempts.of(prompt_id)
        return attempt


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "comfyui.sqlite3")
    with contextlib.closing(store.journal):
        yield store


def single(**values: object) -> Submission:
    given: dict[str, object] = {"stage": Stage.SENDING, "submitted_at": 2.0, **values}
    return Submission(prompt_id="one", server=HERE, graph="{}", **given)  # pyright: ignore[reportArgumentType]


def test_each_time_that_a_prompt_is_sent_is_an_attempt(store: Store) -> None:
    assert store.attempts.of("two") == []
    assert store.claim(5.0) == "two"
    assert store.only() == Attempt(prompt_id="two", n=1, server=HERE, boot="life 5", sent_at=5.0)
    store.batches.take_back(["two"])
    assert store.only().how == "taken back"
    assert store.claim(6.0) == "two"
    assert [(one.n, one.boot) for one in store.attempts.of("two")] == [(1, "life 5"), (2, "life 6")]


def test_a_single_submission_is_one_with_its_boot_and_again_when_it_is_carried_over(store: Store) -> None:
    store.journal.record([single()], boot="first life")
    assert (store.only("one").boot, store.only("one").sent_at) == ("first life", 2.0)
    store.journal.answered("one", Stage.ACCEPTED, 0.0)
    store.journal.ended(["one"], End.LOST, at=3.0)
    store.journal.resubmitted("one", number=1.0, at=4.0)
    assert [(one.how, one.sent_at) for one in store.attempts.of("one")] == [(LOST, 2.0), ("", 4.0)]


def test_what_somebody_elses_prompt_does_is_no_attempt(store: Store) -> None:
    store.journal.record([single(stage=Stage.ACCEPTED, is_ours=False)])
    assert store.attempts.of("one") == []


@pytest.mark.parametrize("end", [End.COMPLETED, End.FAILED, End.CANCELLED])
def test_an_attempt_ends_as_its_prompt_does(store: Store, end: End) -> None:
    store.claim(5.0)
    store.attempts.about_to_end(HERE)
    store.journal.settled(Result(prompt_id="two", end=end, at=9.0, started_at=8.0, content="{}"))
    assert (store.only().how, store.only().began_at, store.only().ended_at) == (str(end), 8.0, 9.0)


def test_what_was_refused_is_no_attempt_that_goes_on(store: Store) -> None:
    store.claim(5.0)
    store.journal.refused("two", reason="no", result="{}")
    assert store.only().how == "refused"


def test_that_it_began_is_noted_once(store: Store) -> None:
    store.claim(5.0)
    store.attempts.began(["two", "unknown"], at=6.0)
    store.attempts.began(["two"], at=7.0)
    assert store.only().began_at == 6.0


def test_the_end_of_its_server_is_noted_of_the_newest_attempt_also_after_it_was_called_lost(store: Store) -> None:
    store.claim(5.0)
    store.journal.ended(["two"], End.LOST, at=6.0)
    store.attempts.server_ended("two", at=7.0)
    store.attempts.server_ended("two", at=8.0)
    assert (store.only().how, store.only().ended_at, store.only().began_at) == (SERVER_ENDED, 6.0, 7.0)
    store.batches.take_back(["two"])
    store.claim(9.0)
    store.attempts.server_ended("two", at=10.0)
    assert [one.how for one in store.attempts.of("two")] == [SERVER_ENDED, SERVER_ENDED]
    last = store.attempts.last_fatal(HERE)
    assert last is not None
    assert last.n == 2


def test_what_we_have_ended_is_not_said_to_have_ended_by_itself(store: Store) -> None:
    store.claim(5.0)
    store.attempts.about_to_end("http://elsewhere")
    assert store.only().how == ""
    store.attempts.about_to_end(HERE)
    store.attempts.server_ended("two", at=6.0)
    store.journal.ended(["two"], End.LOST, at=7.0)
    assert (store.only().how, store.only().ended_at) == (BY_US, 7.0)
    assert store.attempts.last_fatal(HERE) is None


def test_a_suspect_is_sent_by_itself(store: Store) -> None:
    store.claim(5.0)
    store.attempts.server_ended("two", at=6.0)
    store.journal.ended(["two"], End.LOST, at=7.0)
    store.batches.take_back(["two"])
    assert store.claim(8.0, is_alone=False) is None
    assert store.claim(8.0) == "two"


def test_what_release_1_sends_is_an_attempt(store: Store) -> None:
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("UPDATE submissions SET stage = 'sending', submitted_at = 5.0 WHERE prompt_id = 'two'")
        assert (store.only().boot, store.only().sent_at) == ("", 5.0)
        connection.execute("UPDATE submissions SET ending = 'completed', ended_at = 6.0 WHERE prompt_id = 'two'")
    assert (store.only().how, store.only().ended_at) == ("completed", 6.0)
