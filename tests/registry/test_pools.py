"""Batches of several servers in the journal's database: who has which prompt, and what others make of them."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.pool import Member, pool_of
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.registry.pools import SqlitePools
from mcp_background_job.registry.servers import SqliteServers

A, B = "http://127.0.0.1:8188", "job:jx2x2x"
ELSEWHERE = "http://127.0.0.1:8199"
POOL = pool_of([A])


@dataclasses.dataclass
class Store:
    """The parts that share one database, with a batch of three prompts."""

    path: Path
    journal: SqliteJournal
    batches: SqliteBatches
    pools: SqlitePools
    servers: SqliteServers

    def claim(self, server: str) -> str | None:
        claimed = self.batches.claim_next(server, ["b1"], at=5.0)
        return claimed.prompt_id if claimed else None

    def get(self, prompt_id: str) -> Submission:
        submission = self.journal.get(prompt_id)
        assert submission is not None
        return submission

    def member(self, url: str) -> Member:
        return next(one for one in self.pools.members(POOL) if one.url == url)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "comfyui.sqlite3"
    with contextlib.closing(SqliteJournal(str(path))) as journal:
        database = journal.database
        found = Store(path, journal, SqliteBatches(database), SqlitePools(database), SqliteServers(database))
        found.pools.join(POOL, [A, B])
        prompts = [
            Submission(
                prompt_id=f"p{place}",
                server=POOL,
                submitted_at=1.0,
                graph="",
                stage=Stage.WAITING,
                batch_id="b1",
                position=place,
                graph_id="b1/0",
            )
            for place in range(3)
        ]
        found.batches.create(Batch(batch_id="b1", server=POOL, created_at=1.0), prompts, {"b1/0": ("{}", "{}")})
        yield found


def test_what_waits_for_the_pool_is_the_servers_that_claims_it(store: Store) -> None:
    assert (store.claim(A), store.claim(B)) == ("p0", "p1")
    assert [store.get(f"p{place}").server for place in range(3)] == [A, B, POOL]
    assert store.claim(ELSEWHERE) is None
    assert (store.member(A).sent, store.member(B).sent) == (1, 1)
    assert store.pools.server_of("p1") == B


def test_of_several_servers_that_claim_at_once_each_prompt_goes_to_one(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        claimed = [one for one in threads.map(store.claim, [A, B] * 8) if one]
    assert sorted(claimed) == ["p0", "p1", "p2"]


def test_what_is_taken_back_waits_for_any_of_them(store: Store) -> None:
    assert store.claim(A) == "p0"
    store.journal.ended(["p0"], End.LOST, at=6.0)
    store.batches.take_back(["p0"])
    assert (store.get("p0").server, store.get("p0").stage) == (POOL, Stage.WAITING)
    assert store.claim(B) == "p0"


def test_what_one_has_refused_is_offered_to_the_others_alone(store: Store) -> None:
    for prompt_id in ("p0", "p1", "p2"):
        assert store.claim(A) == prompt_id
        assert store.pools.refused(prompt_id, A, "no such model") == {A: "no such model"}
        store.batches.take_back([prompt_id])
    assert not store.member(A).has_choice
    assert store.member(B).has_choice
    assert store.claim(A) is None
    assert store.claim(B) == "p0"


def test_a_canceled_prompt_is_offered_to_nobody(store: Store) -> None:
    assert store.claim(A) == "p0"
    store.batches.request_cancel("b1", by="me", at=6.0)
    store.pools.refused("p0", A, "no such model")
    store.batches.take_back(["p0"])
    assert store.get("p0").end is End.CANCELLED
    assert store.claim(B) is None


def test_what_is_given_up_goes_to_another_and_back_only_once_the_first_is_rid_of_it(store: Store) -> None:
    assert store.claim(A) == "p0"
    store.pools.give_up(A, ["p0"], by="me", at=6.0)
    assert store.pools.given_up_on(A) == ["p0"]
    assert store.claim(A) == "p1"
    assert store.claim(B) == "p0"
    store.batches.take_back(["p0"])
    store.pools.forget_given_up(A, "p0")
    assert store.claim(A) == "p0"


def test_what_has_an_end_is_not_given_up(store: Store) -> None:
    assert store.claim(A) == "p0"
    store.journal.ended(["p0"], End.COMPLETED, at=6.0)
    store.pools.give_up(A, ["p0"], by="me", at=7.0)
    assert (store.get("p0").server, store.get("p0").end) == (A, End.COMPLETED)


def test_members_are_told_with_what_their_feeders_and_others_say(store: Store) -> None:
    store.pools.hear(A, at=9.0, queued=4)
    store.servers.hold(A, "it gives no answer")
    store.servers.pause(B, by="me", at=9.0)
    assert store.member(A) == Member(url=A, hold="it gives no answer", heard_at=9.0, queued=4)
    assert store.member(B) == Member(url=B, is_paused=True)
    store.pools.part(B)
    assert [one.url for one in store.pools.members(POOL)] == [A]


def test_every_member_is_to_be_fed_until_the_batch_is_over(store: Store) -> None:
    assert store.servers.with_work() == sorted([A, B])
    assert not store.servers.end_feeding(B, "job1")
    assert [batch.batch_id for batch in store.pools.open_batches(B)] == ["b1"]
    assert store.pools.open_batches(ELSEWHERE) == []
    store.journal.ended(["p0", "p1", "p2"], End.COMPLETED, at=6.0)
    assert store.batches.ended("b1", at=7.0)
    assert store.servers.with_work() == []
    assert store.servers.end_feeding(B, "job1")
    assert [batch.batch_id for batch in store.batches.ended_since(0.0)] == ["b1"]


def _as_release_1_0_0(store: Store, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(store.path)) as database:
        return database.execute(query).fetchall()


def test_release_1_0_0_takes_a_batch_of_a_pool_for_over_and_we_do_not(store: Store) -> None:
    open_batches = "SELECT batch_id FROM batches WHERE ended_at IS NULL"
    assert _as_release_1_0_0(store, open_batches) == []
    batch = store.batches.get("b1")
    assert batch is not None
    assert batch.ended_at is None
    assert [one.batch_id for one in store.batches.on_server(POOL)] == ["b1"]
    assert store.batches.ended_since(-1.0) == []
    # A failed prompt that is tried again opens it: for us, as before.
    store.journal.ended(["p0", "p1", "p2"], End.FAILED, at=6.0)
    assert store.batches.ended("b1", at=7.0)
    again = dataclasses.replace(store.get("p0"), prompt_id="p0again", stage=Stage.WAITING, end=None, server=POOL)
    assert store.batches.retry("b1", {"p0": again}) == 1
    assert _as_release_1_0_0(store, open_batches) == []
    assert store.claim(B) == "p0again"
