"""Batches in the journal's database: what is sent, what is canceled, and that both agree, whoever asks at once."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.comfyui.batch import Batch, Counts
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.errors import RegistryError
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.registry.servers import SqliteServers
from mcp_background_job.registry.sessions import SqliteSessions
from tests.patience import PATIENCE_S

HERE, THERE = "http://127.0.0.1:8188", "http://127.0.0.1:8199"
GRAPHS = {"b1/0": ('{"1": 1}', '{"a": 1}'), "b1/1": ('{"2": 2}', "{}")}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "comfyui.sqlite3")


@dataclasses.dataclass
class Store:
    """The parts that share one database."""

    journal: SqliteJournal
    batches: SqliteBatches
    sessions: SqliteSessions
    servers: SqliteServers

    def get(self, prompt_id: str) -> Submission:
        submission = self.journal.get(prompt_id)
        assert submission is not None
        return submission

    def claim(self, at: float = 5.0) -> str | None:
        claimed = self.batches.claim_next(HERE, ["b1"], at=at)
        return claimed.prompt_id if claimed else None

    def counts(self) -> Counts:
        return self.batches.counts("b1")

    def batch(self) -> Batch:
        batch = self.batches.get("b1")
        assert batch is not None
        return batch


@contextlib.contextmanager
def opened(path: str) -> Generator[Store]:
    with contextlib.closing(SqliteJournal(path)) as journal:
        database = journal.database
        yield Store(journal, SqliteBatches(database), SqliteSessions(database), SqliteServers(database))


@pytest.fixture
def store(path: str) -> Iterator[Store]:
    with opened(path) as store:
        yield store


def a_batch(batch_id: str = "b1", **values: Any) -> Batch:
    values = {"server": HERE, "created_at": 1.0, **values}
    return Batch(batch_id=batch_id, **values)


def prompts(many: int, batch_id: str = "b1", **values: Any) -> list[Submission]:
    """Prompts with ids that have another order than their places."""
    given: dict[str, Any] = {"server": HERE, "submitted_at": 1.0, "graph": "", "stage": Stage.WAITING, **values}
    return [
        Submission(prompt_id=f"{batch_id}-{many - place}", batch_id=batch_id, position=place, graph_id="b1/0", **given)
        for place in range(many)
    ]


@pytest.fixture
def three(store: Store) -> Store:
    """A batch of three: b1-3 comes first, b1-1 last."""
    store.batches.create(a_batch(), prompts(3), GRAPHS)
    return store


# -- create ------------------------------------------------------------------------------------------------------------


def test_a_batch_comes_back_as_it_was_made(store: Store) -> None:
    batch = a_batch(
        client="claude",
        note="cats",
        max_queued=3,
        prompt_timeout_s=60.5,
        may_restart=True,
        cancel_requested_at=2.0,
        cancel_requested_by="me",
        paused_at=3.0,
        trouble="away",
        ended_at=4.0,
    )
    store.batches.create(batch, [], {})

    assert store.batch() == batch
    assert store.batches.get("b2") is None
    assert store.batches.counts("b2") == Counts()


def test_its_prompts_share_a_graph_that_is_kept_once(store: Store) -> None:
    store.batches.create(a_batch(), prompts(3, overrides='{"1.inputs.seed":3}'), GRAPHS)

    found = [store.get(f"b1-{number}") for number in (1, 2, 3)]
    assert {(one.graph, one.extra_data, one.graph_id) for one in found} == {('{"1": 1}', '{"a": 1}', "b1/0")}
    assert {one.overrides for one in found} == {'{"1.inputs.seed":3}'}
    assert len(store.journal.database.rows("counts", batch_id="b1")) == 1
    with contextlib.closing(store.journal.database._db.execute("SELECT count(*) FROM graphs")) as rows:
        assert tuple(rows.fetchone()) == (2,)


def test_text_of_any_kind_is_kept(store: Store) -> None:
    batch = a_batch(note="a\0b caf\udce9", client="\N{GRINNING FACE}\0")
    odd = [
        dataclasses.replace(
            one, prompt_id=f"{place}\0caf\udce9", note="\0\udc80", overrides='{"1.inputs.x": "\\ud800"}'
        )
        for place, one in enumerate(prompts(2))
    ]
    store.batches.create(batch, odd, {"b1/0": ('{"1": "\0 caf\udce9"}', "{}")})

    assert store.batch().note == "a\0b caf\\udce9"
    first = store.batches.claim_next(HERE, ["b1"], at=2.0)
    assert first is not None
    assert (first.prompt_id, first.note, first.graph) == ("0\0caf\\udce9", "\0\\udc80", '{"1": "\0 caf\\udce9"}')
    store.batches.take_back(["0\0caf\udce9"])
    store.servers.hold(HERE, "\0caf\udce9", ["b1"])
    assert store.batch().trouble == "\0caf\\udce9"
    assert store.batches.request_cancel("b1", by="\0caf\udce9", at=3.0) == 2
    assert store.batch().cancel_requested_by == "\0caf\\udce9"


def test_of_a_batch_that_cannot_be_made_nothing_is_kept(store: Store) -> None:
    unstorable = dataclasses.replace(prompts(1)[0], submitted_at=2**70)
    with pytest.raises(OverflowError):
        store.batches.create(a_batch(), [*prompts(2), unstorable], GRAPHS, session_id="s1")

    assert store.batches.get("b1") is None
    assert store.journal.newest(HERE, 10) == []
    assert store.sessions.tracked_in("s1") == []
    store.batches.create(a_batch(), prompts(2), GRAPHS)
    with pytest.raises(RegistryError, match="UNIQUE"):
        store.batches.create(a_batch(note="another"), prompts(1, "b9"), GRAPHS)
    assert store.batch().note == ""
    assert store.journal.get("b9-1") is None


def test_its_prompts_are_tracked_in_the_session_that_is_given(store: Store) -> None:
    store.batches.create(a_batch(), prompts(3, note="cat"), GRAPHS, session_id="s1")

    tracked = store.sessions.tracked_in("s1")
    assert {(one.prompt_id, one.note) for one in tracked} == {("b1-1", "cat"), ("b1-2", "cat"), ("b1-3", "cat")}


def test_batches_are_listed_newest_first_and_open_ones_oldest_first(store: Store) -> None:
    for place, batch_id in enumerate(("b3", "b1", "b2")):
        store.batches.create(a_batch(batch_id, created_at=float(place)), [], {})
    store.batches.create(a_batch("there", server=THERE, created_at=9.0), [], {})
    assert store.batches.ended("b1", at=5.0)
    assert [one.batch_id for one in store.batches.ended_since(4.0)] == ["b1"]
    assert store.batches.ended_since(5.0) == []

    assert [one.batch_id for one in store.batches.newest(HERE, 2)] == ["b2", "b1"]
    assert [one.batch_id for one in store.batches.on_server(HERE)] == ["b3", "b2"]
    assert [one.batch_id for one in store.batches.newest(THERE, 2)] == ["there"]
    assert store.batches.newest(HERE, 0) == []


def test_what_waits_in_a_batch_is_not_at_the_server(three: Store) -> None:
    assert three.journal.open_on(HERE) == []
    three.claim()
    assert [one.prompt_id for one in three.journal.open_on(HERE)] == ["b1-3"]


# -- claim_next --------------------------------------------------------------------------------------------------------


def test_what_was_claimed_is_on_its_way_until_it_is_answered(three: Store) -> None:
    def asked() -> tuple[bool, ...]:
        batches = three.batches
        return (
            batches.is_sending(HERE),
            batches.is_sending(HERE, batch_id="b1"),
            batches.is_sending(HERE, batch_id="b2"),
            batches.is_sending(THERE),
        )

    assert asked() == (False, False, False, False)
    claimed = three.claim()
    assert claimed is not None
    assert asked() == (True, True, False, False)
    three.journal.answered(claimed, Stage.ACCEPTED, 1.0)
    assert asked() == (False, False, False, False)
    three.journal.record([dataclasses.replace(_alone("alone"), stage=Stage.SENDING)])
    assert asked() == (True, False, False, False)
    three.journal.ended(["alone"], End.LOST, at=6.0)
    assert asked() == (False, False, False, False)


def test_prompts_are_claimed_in_their_order_each_once_with_their_graphs(three: Store) -> None:
    first = three.batches.claim_next(HERE, ["b1"], at=5.5)
    assert first is not None
    assert first == three.get("b1-3")
    assert (first.stage, first.submitted_at, first.graph) == (Stage.SENDING, 5.5, '{"1": 1}')
    assert [three.claim() for _ in range(3)] == ["b1-2", "b1-1", None]
    assert three.batches.claim_next(HERE, ["b2"], at=1.0) is None


def test_what_came_back_is_claimed_in_its_old_place(three: Store) -> None:
    three.claim()
    three.claim()
    three.batches.take_back(["b1-3"])

    assert [three.claim(), three.claim(), three.claim()] == ["b1-3", "b1-1", None]


def test_what_was_withdrawn_refused_or_tried_again_is_not_claimed(store: Store) -> None:
    store.batches.create(a_batch(), prompts(5), GRAPHS)
    assert store.journal.withdraw("b1-5", at=2.0)
    store.journal.refused("b1-4", reason="no", result="{}")
    store.journal.ended(["b1-3"], End.FAILED, at=2.0)
    again = dataclasses.replace(prompts(3)[0], prompt_id="again", position=2)
    assert store.batches.retry("b1", {"b1-3": again}) == 1

    assert [store.claim() for _ in range(4)] == ["again", "b1-2", "b1-1", None]


@pytest.mark.parametrize("wish", ["cancel", "pause"])
def test_nothing_is_claimed_once_a_wish_is_recorded(three: Store, wish: str) -> None:
    three.claim()
    if wish == "cancel":
        assert three.batches.request_cancel("b1", by="me", at=6.0) == 2
    else:
        three.batches.pause("b1", at=6.0)

    assert three.claim() is None
    assert three.get("b1-3").is_open


def test_a_batch_that_is_resumed_goes_on_where_it_was(three: Store) -> None:
    three.claim()
    three.batches.pause("b1", at=6.0, why="its feeder was killed")
    three.batches.pause("b1", at=7.0)
    assert (three.batch().paused_at, three.batch().trouble) == (6.0, "")

    three.batches.pause("b1", at=None)
    assert not three.batch().is_paused
    assert three.claim() == "b1-2"


# -- cancel ------------------------------------------------------------------------------------------------------------


def test_a_cancel_ends_what_was_not_sent_and_leaves_what_was(store: Store) -> None:
    store.batches.create(a_batch(), prompts(6), GRAPHS)
    for _ in range(4):
        store.claim()
    store.journal.ended(["b1-6"], End.COMPLETED, at=5.0)
    store.journal.answered("b1-5", Stage.ACCEPTED, 1.0)
    store.journal.ended(["b1-4"], End.LOST, at=5.0, reason="went with its server")
    store.journal.refused("b1-3", reason="no", result="{}")

    assert store.batches.request_cancel("b1", by="me", at=6.0) == 3
    assert (store.get("b1-4").end, store.get("b1-4").reason) == (End.CANCELLED, "")
    assert store.counts() == Counts(running=1, succeeded=1, failed=1, canceled=3)
    assert (store.batch().cancel_requested_at, store.batch().cancel_requested_by) == (6.0, "me")
    assert store.get("b1-1").ended_at == 6.0

    assert store.batches.request_cancel("b1", by="you", at=7.0) == 0
    assert (store.batch().cancel_requested_at, store.batch().cancel_requested_by) == (6.0, "me")


def test_a_cancel_reaches_no_other_batch(three: Store) -> None:
    three.batches.create(a_batch("b2"), prompts(2, "b2"), {})
    three.batches.request_cancel("b1", by="me", at=6.0)

    assert three.batches.counts("b2") == Counts(pending=2)
    assert three.batches.claim_next(HERE, ["b2"], at=7.0) is not None


def test_the_wish_and_what_it_cancels_are_seen_together(path: str, three: Store) -> None:
    with opened(path) as other, ThreadPoolExecutor(1) as threads:
        cancelled = threads.submit(three.batches.request_cancel, "b1", by="me", at=6.0)
        while not other.batch().cancel_requested:
            assert not cancelled.done() or other.batch().cancel_requested
        assert other.counts() == Counts(canceled=3)


# -- at the server, and back -------------------------------------------------------------------------------------------


def test_what_was_sent_and_what_went_with_its_server_is_at_the_server(store: Store) -> None:
    store.batches.create(a_batch(), prompts(6), GRAPHS)
    for _ in range(5):
        store.claim()
    store.journal.answered("b1-5", Stage.ACCEPTED, 1.0)
    store.journal.ended(["b1-4"], End.LOST, at=5.0)
    store.journal.ended(["b1-3"], End.COMPLETED, at=5.0)
    store.journal.refused("b1-2", reason="no", result="{}")

    found = store.batches.at_server("b1")
    assert [one.prompt_id for one in found] == ["b1-6", "b1-5", "b1-4"]
    assert {one.graph for one in found} == {""}, "lists have no graphs"


@pytest.mark.parametrize("end", [None, *End])
@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("canceled", [False, True])
def test_only_what_did_not_end_waits_again_or_is_canceled_if_that_was_wished(
    store: Store, stage: Stage, end: End | None, *, canceled: bool
) -> None:
    [one] = prompts(1, stage=stage, end=end, number=3.0, requeue=True, reason="x", ended_at=2.0 if end else None)
    store.batches.create(a_batch(cancel_requested_at=4.0 if canceled else None), [one], GRAPHS)
    before = store.get("b1-1")
    store.batches.take_back(["b1-1", "unknown"])

    if stage not in (Stage.SENDING, Stage.ACCEPTED) or end not in (None, End.LOST):
        assert store.get("b1-1") == before
        return
    back = dataclasses.replace(before, stage=Stage.WAITING, number=None, requeue=False, reason="")
    end = End.CANCELLED if canceled else None
    assert store.get("b1-1") == dataclasses.replace(back, end=end, ended_at=4.0 if canceled else None)
    assert (store.claim() is None) is canceled


def test_what_was_stopped_for_its_time_limit_does_not_come_back(three: Store) -> None:
    three.claim()
    three.journal.overdue("b1-3", limit_s=30.0)
    three.journal.ended(["b1-3"], End.LOST, at=6.0)
    three.batches.take_back(["b1-3"])

    one = three.get("b1-3")
    assert (one.end, one.reason) == (End.FAILED, "stopped at its time limit of 30 s")


def test_a_prompt_of_no_batch_does_not_come_back(store: Store) -> None:
    alone = Submission(prompt_id="one", server=HERE, submitted_at=1.0, graph="{}", stage=Stage.SENDING)
    store.journal.record([alone])
    store.batches.take_back(["one"])

    assert store.get("one") == alone


# -- retry -------------------------------------------------------------------------------------------------------------


def _again(failed: list[Submission], suffix: str = "'") -> dict[str, Submission]:
    return {
        one.prompt_id: dataclasses.replace(
            one, prompt_id=one.prompt_id + suffix, stage=Stage.WAITING, end=None, ended_at=None, reason="", number=None
        )
        for one in failed
    }


@pytest.fixture
def failed(store: Store) -> Store:
    """A batch that is over: one prompt failed, one was refused, one succeeded, one was canceled."""
    store.batches.create(a_batch(), prompts(4), GRAPHS)
    for _ in range(4):
        store.claim()
    store.journal.ended(["b1-4"], End.FAILED, at=5.0, reason="x")
    store.journal.refused("b1-3", reason="no", result="{}")
    store.journal.ended(["b1-2"], End.COMPLETED, at=5.0)
    store.journal.ended(["b1-1"], End.CANCELLED, at=5.0)
    assert store.batches.ended("b1", at=6.0)
    return store


def test_what_failed_or_was_refused_is_listed_in_its_order_without_graphs(failed: Store) -> None:
    found = failed.batches.failed("b1")

    assert [(one.prompt_id, one.reason, one.graph) for one in found] == [("b1-4", "x", ""), ("b1-3", "no", "")]
    assert [one.prompt_id for one in failed.batches.failed("b1", limit=1)] == ["b1-4"]


@pytest.mark.requirement("comfyui.batch.retry")
def test_a_retry_takes_the_place_of_what_failed_and_opens_the_batch(failed: Store) -> None:
    assert failed.batches.retry("b1", _again(failed.batches.failed("b1")), session_id="s1") == 2

    assert failed.counts() == Counts(pending=2, succeeded=1, canceled=1)
    assert failed.batch().ended_at is None
    assert failed.batches.failed("b1") == []
    assert failed.get("b1-4").retried_as == "b1-4'"
    assert [failed.claim(), failed.claim(), failed.claim()] == ["b1-4'", "b1-3'", None]
    assert failed.get("b1-4'").graph == '{"1": 1}'
    assert {one.prompt_id for one in failed.sessions.tracked_in("s1")} == {"b1-4'", "b1-3'"}


@pytest.mark.requirement("comfyui.batch.retry")
def test_of_two_who_try_again_at_once_one_does(path: str, failed: Store) -> None:
    with opened(path) as other:
        seen = failed.batches.failed("b1")
        assert other.batches.failed("b1") == seen
        assert failed.batches.retry("b1", _again(seen)) == 2
        assert other.batches.retry("b1", _again(seen, '"'), session_id="s1") == 0

    assert failed.counts() == Counts(pending=2, succeeded=1, canceled=1)
    assert failed.journal.get('b1-4"') is None
    assert failed.sessions.tracked_in("s1") == []


def test_nothing_is_tried_again_in_a_batch_that_is_canceled_meanwhile(failed: Store) -> None:
    seen = failed.batches.failed("b1")
    failed.batches.request_cancel("b1", by="me", at=7.0)

    assert failed.batches.retry("b1", _again(seen)) == 0
    assert failed.counts().may_run == 0
    assert failed.batch().ended_at == 6.0


# -- ended and trouble -------------------------------------------------------------------------------------------------


def test_a_batch_ends_once(failed: Store) -> None:
    assert failed.batches.ended("b1", at=9.0)

    assert failed.batch().ended_at == 6.0


def test_a_batch_of_which_something_may_run_does_not_end(store: Store) -> None:
    store.batches.create(a_batch(trouble="away"), prompts(3), GRAPHS)
    assert not store.batches.ended("b1", at=6.0)
    for _ in range(3):
        store.claim()
    store.journal.ended(["b1-3"], End.LOST, at=5.0)
    store.journal.ended(["b1-2"], End.COMPLETED, at=5.0)
    store.journal.refused("b1-1", reason="no", result="{}")
    assert not store.batches.ended("b1", at=6.0)
    assert (store.batch().ended_at, store.batch().trouble) == (None, "away")

    store.journal.ended(["b1-3"], End.COMPLETED, at=5.0)
    assert store.batches.ended("b1", at=7.0)
    assert (store.batch().ended_at, store.batch().trouble) == (7.0, "")
    assert not store.batches.ended("b2", at=1.0), "there is none"


def test_trouble_is_noted_until_it_is_over(three: Store) -> None:
    three.servers.hold(HERE, "away", ["b1"])
    assert (three.batch().trouble, three.servers.get(HERE).hold) == ("away", "away")
    three.servers.hold(HERE, "", ["b1"])
    assert (three.batch().trouble, three.servers.get(HERE).hold) == ("", "")
    three.batches.pause("b1", at=2.0, why="its feeder was killed")
    three.servers.hold(HERE, "away", ["b1"])
    three.servers.hold(HERE, "", ["b1"])
    assert three.batch().trouble == "its feeder was killed", "why it is paused stays"


def test_what_kept_a_batch_from_getting_on_is_forgotten_by_who_takes_it_over(three: Store, path: str) -> None:
    three.batches.create(a_batch("b2", paused_at=1.0, trouble="why it is paused"), [], {})
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE batches SET trouble = 'of release 1.0.0' WHERE batch_id = 'b1'")
    three.batches.take_over(["b1", "b2"])

    assert three.batch().trouble == ""
    assert three.batches.on_server(HERE)[-1].trouble == "why it is paused"


def test_what_is_told_of_a_batch_does_not_hold_it(three: Store) -> None:
    three.batches.tell("b1", "another works on it")
    assert three.batches.told("b1") == "another works on it"
    assert three.claim() == "b1-3"
    three.batches.tell("b1", "")
    assert three.batches.told("b1") == three.batches.told("b2") == ""


# -- servers -----------------------------------------------------------------------------------------------------------


def test_a_feeder_ends_only_while_nothing_is_left_to_do(three: Store) -> None:
    assert not three.servers.end_feeding(HERE, "job1")
    assert three.servers.end_feeding(THERE, "job2"), "of another server nothing is asked"
    three.batches.request_cancel("b1", by="me", at=2.0)
    assert three.batches.ended("b1", at=3.0)
    assert three.servers.end_feeding(HERE, "job1")
    assert (three.servers.get(HERE).feeder_ended, three.servers.get(THERE).feeder_ended) == ("job1", "job2")
    assert three.servers.with_work() == []


def test_what_waits_without_a_batch_is_work_too_and_has_its_turn(three: Store) -> None:
    three.journal.record([_alone("one")])
    three.batches.take_back_singles(["one"])
    three.servers.hold(HERE, "")
    three.batches.request_cancel("b1", by="me", at=2.0)
    assert three.batches.ended("b1", at=3.0)

    assert three.servers.waits_alone(HERE)
    assert three.servers.with_work() == [HERE]
    assert not three.servers.end_feeding(HERE, "job1")
    assert three.claim() == "one"
    assert not three.servers.waits_alone(HERE)


def _alone(prompt_id: str) -> Submission:
    return Submission(prompt_id=prompt_id, server=HERE, submitted_at=1.0, graph="{}", stage=Stage.SENDING)


def test_while_a_server_is_held_nothing_is_claimed(three: Store) -> None:
    three.journal.record([_alone("one")])
    three.batches.take_back_singles(["one"])
    three.servers.hold(HERE, "away", ["b1"])
    assert three.claim() is None
    three.servers.hold(HERE, "", ["b1"])
    assert {three.claim(), three.claim()} == {"one", "b1-3"}


def test_of_several_batches_each_has_its_turn_and_of_those_alone_that_may(three: Store) -> None:
    three.batches.create(a_batch("b2"), prompts(2, "b2"), {"b2/0": ("{}", "{}")})

    def claim(*batch_ids: str) -> str | None:
        claimed = three.batches.claim_next(HERE, batch_ids, at=5.0)
        return claimed.prompt_id if claimed else None

    assert {claim("b1", "b2"), claim("b1", "b2")} == {"b1-3", "b2-2"}
    assert claim("b1") == "b1-2"
    assert claim("b2") == "b2-1"
    assert claim("b2") is None
    assert three.batches.claim_next(THERE, ["b1"], at=5.0) is None


# -- counts ------------------------------------------------------------------------------------------------------------

#: As release 1.0.0 records a submission.
AS_RELEASE_1 = """
INSERT OR REPLACE INTO submissions (prompt_id, server, submitted_at, note, client, front, number, stage, ending,
                                    ended_at, reason, is_ours, requeue, batch_id, position)
VALUES (?, 'http://127.0.0.1:8188', 1.0, '', '', 0, NULL, ?, ?, NULL, '', 1, 0, ?, 0)
"""


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("b1-2", "waiting", None, "b1"), Counts(pending=3)),
        (("b1-2", "accepted", None, "b1"), Counts(pending=2, running=1)),
        (("b1-2", "accepted", "completed", "b1"), Counts(pending=2, succeeded=1)),
        (("b1-2", "waiting", None, None), Counts(pending=2)),
        (("b1-2", "waiting", None, "b2"), Counts(pending=2)),
        (("new", "refused", None, "b1"), Counts(pending=3, failed=1)),
    ],
)
def test_counts_follow_what_a_release_writes_that_knows_of_none(
    three: Store, path: str, row: tuple[str | None, ...], expected: Counts
) -> None:
    for _ in range(2):  # the second time the row is replaced by itself
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(AS_RELEASE_1, row)
        assert three.counts() == expected


def test_counts_follow_what_is_removed(three: Store, path: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM submissions WHERE prompt_id <> 'b1-1'")

    assert three.counts() == Counts(pending=1)


# -- the way to the answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("counts", "SEARCH counts USING PRIMARY KEY (batch_id=?)"),
        ("claim_next", "submissions_next (server=? AND batch_id=?)"),
        ("cancel_unsent", "INDEX submissions_of_batch"),
        ("at_server", "INDEX submissions_of_batch"),
        ("failed_in", "INDEX submissions_of_batch"),
        ("end_batch", "COVERING INDEX submissions_of_batch"),
        ("newest_batches", "INDEX batches_by_age"),
        ("open_batches", "INDEX batches_open"),
    ],
)
def test_a_batch_of_ten_thousand_is_found_by_index_and_no_graph_is_sorted(store: Store, query: str, index: str) -> None:
    store.batches.create(a_batch(), prompts(10_000), GRAPHS)
    database = store.journal.database
    values = {"batch_id": "b1", "batch_ids": '["b1"]', "server": HERE, "limit": 5, "at": 1.0, "is_alone": True}
    plan = database._db.execute("EXPLAIN QUERY PLAN " + database._queries[query], values).fetchall()

    steps = "; ".join(row["detail"] for row in plan)
    assert index in steps
    for few in ("CONSTANT ROW", "batches USING INDEX batches_open", "json_each", "(subquery-8)"):
        steps = steps.replace(f"SCAN {few}", "")
    assert "SCAN" not in steps
    assert "graphs" not in steps
    if query in ("counts", "newest_batches", "open_batches"):
        assert "TEMP B-TREE" not in steps


# -- processes ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def child(code: str, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """A process that runs this code when it is told to, and does not outlive the test."""
    process = subprocess.Popen(
        [sys.executable, "-c", _BEGIN + code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


_BEGIN = """
import sys
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal
batches = SqliteBatches(SqliteJournal(sys.argv[1]).database)
print("ready", flush=True)
sys.stdin.readline()
"""

#: Between two claims a feeder sends what it has claimed, which takes milliseconds.
_CLAIM = """
import threading
while (claimed := batches.claim_next("http://127.0.0.1:8188", ["b1"], at=5.0)) is not None:
    print(claimed.prompt_id, flush=True)
    threading.Event().wait(0.003)
"""


@pytest.mark.real_process
@pytest.mark.requirement("comfyui.batch.cancel")
@pytest.mark.parametrize("wish", ["cancel", "pause", "none"])
def test_processes_that_claim_at_once_get_each_prompt_once_and_none_after_a_wish(
    path: str, store: Store, wish: str
) -> None:
    number = 300 if wish == "none" else 2000
    store.batches.create(a_batch(), prompts(number), GRAPHS)
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(child(_CLAIM, path)) for _ in range(3)]
        for process in children:
            go(process)
        while store.counts().running < 5:
            pass
        canceled = 0
        if wish == "cancel":
            canceled = store.batches.request_cancel("b1", by="me", at=6.0)
        elif wish == "pause":
            store.batches.pause("b1", at=6.0)
        sent = store.counts().running  # what was claimed before the wish was answered: nothing may follow
        told = [process.communicate(timeout=PATIENCE_S) for process in children]
        assert [errors for _, errors in told] == ["", "", ""]

    claimed = [prompt_id for output, _ in told for prompt_id in output.split()]
    assert len(claimed) == len(set(claimed))
    if wish == "none":
        assert len(claimed) == number
        return
    assert sent < number
    assert len(claimed) == sent, "claimed after the wish was answered"
    left = "canceled" if wish == "cancel" else "pending"
    assert store.counts() == Counts(running=sent, **{left: number - sent})
    assert canceled == (number - sent if wish == "cancel" else 0)


_CREATE = """
number = int(sys.argv[2])
for turn in range(1000):
    name = f"b{turn}"
    prompts = [
        Submission(prompt_id=f"{name}-{place}", server="s", submitted_at=1.0, graph="", stage=Stage.WAITING,
                   batch_id=name, position=place, graph_id=f"{name}/0")
        for place in range(number)
    ]
    batch = Batch(batch_id=name, server="s", created_at=1.0)
    print("making", flush=True)
    batches.create(batch, prompts, {f"{name}/0": ("{}", "{}")}, session_id="s1")
    print("made", flush=True)
"""


@pytest.mark.real_process
@pytest.mark.parametrize("lines", [1, 2, 3, 5])
def test_a_kill_in_the_middle_of_making_a_batch_leaves_all_of_it_or_nothing(path: str, lines: int) -> None:
    number = 2000
    with child(_CREATE, path, str(number)) as process:
        go(process)
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(lines)]
        process.kill()
        said += process.stdout.read().split()

    made, begun = said.count("made"), said.count("making")
    with opened(path) as store:
        there = [one.batch_id for one in store.batches.newest("s", 10_000)]
        assert made <= len(there) <= begun
        for batch_id in there:
            assert store.batches.counts(batch_id) == Counts(pending=number)
            assert store.batches.claim_next("s", [batch_id], at=1.0) is not None, "its graph is there"
        assert len(store.journal.newest("s", -1)) == number * len(there)
        assert len(store.sessions.tracked_in("s1")) == number * len(there)
