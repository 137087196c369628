"""Sessions in the journal's database: which one is current, what they track, and the lists that are made of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.session import Session, Tracked
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.errors import RegistryError
from mcp_background_job.registry import sessions as sessions_module
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.registry.sessions import SqliteSessions

HERE, THERE = "http://127.0.0.1:8188", "http://127.0.0.1:8199"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with contextlib.closing(SqliteJournal(str(tmp_path / "comfyui.sqlite3"))) as journal:
        yield journal


@pytest.fixture
def sessions(journal: SqliteJournal) -> SqliteSessions:
    return SqliteSessions(journal.database)


def a_session(session_id: str = "s1", **values: Any) -> Session:
    values = {"name": "cats", "created_at": 1.0, "directory": "/work", **values}
    return Session(session_id=session_id, **values)


def a_submission(prompt_id: str, **values: Any) -> Submission:
    values = {"server": HERE, "submitted_at": 1.0, "graph": '{"1": 1}', "stage": Stage.ACCEPTED, **values}
    return Submission(prompt_id=prompt_id, **values)


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_there_are_none_at_first(sessions: SqliteSessions) -> None:
    assert sessions.get("s1") is None
    assert sessions.current("/work") is None
    assert sessions.newest(5) == []
    assert sessions.tracked_in("s1") == []


@pytest.mark.parametrize("text", ["cats", "", "a\0b", "\N{GRINNING FACE}", "'; --"])
def test_a_session_comes_back_as_it_was_made(sessions: SqliteSessions, text: str) -> None:
    session = a_session(text or "s1", name=text, directory=text)
    sessions.create(session, [Tracked(prompt_id=text, queued_at=2.5, note=text, downloaded=True, output_dir=text)])

    assert sessions.get(session.session_id) == session
    assert sessions.current(text) == session
    assert sessions.newest(5) == [(session, 1, 1)]
    assert sessions.tracked_in(session.session_id) == [
        Tracked(prompt_id=text, queued_at=2.5, note=text, downloaded=True, output_dir=text)
    ]


def test_what_is_no_text_is_kept_in_words(sessions: SqliteSessions) -> None:
    # A directory whose name is no UTF-8 comes so.
    sessions.create(a_session(name="caf\udce9", directory="/caf\udce9"))
    sessions.track("s1", [Tracked(prompt_id="caf\udce9", queued_at=1.0, note="\udce9")])
    sessions.note_downloads({"caf\udce9": "/caf\udce9"})

    assert sessions.current("/caf\udce9") == sessions.named("caf\udce9")[-1] == sessions.get("s1")
    [tracked] = sessions.tracked_in("s1")
    assert (tracked.prompt_id, tracked.note, tracked.output_dir) == ("caf\\udce9", "\\udce9", "/caf\\udce9")


def test_the_newest_session_of_a_directory_is_current_there(sessions: SqliteSessions) -> None:
    sessions.create(a_session("s1", created_at=1.0))
    sessions.create(a_session("s3", created_at=3.0))
    sessions.create(a_session("s2", created_at=2.0))
    sessions.create(a_session("s4", created_at=9.0, directory="/elsewhere"))

    current = sessions.current("/work")
    assert current is not None
    assert current.session_id == "s3"
    assert sessions.current("/work/") is None
    assert [session.session_id for session, *_ in sessions.newest(3)] == ["s4", "s3", "s2"]


def test_a_session_is_found_by_its_id_and_by_its_name_the_newest_last(sessions: SqliteSessions) -> None:
    sessions.create(a_session("s1", created_at=1.0))
    sessions.create(a_session("s2", created_at=2.0))
    sessions.create(a_session("s3", name="s1", created_at=3.0))

    assert [found.session_id for found in map(sessions.get, ("s1", "s2", "cats")) if found] == ["s1", "s2"]
    assert [found.session_id for found in sessions.named("cats")] == ["s1", "s2"]
    assert [found.session_id for found in sessions.named("s1")] == ["s3"]
    assert sessions.named("dogs") == []


def test_an_id_is_used_once(sessions: SqliteSessions) -> None:
    sessions.create(a_session())
    with pytest.raises(RegistryError, match="UNIQUE"):
        sessions.create(a_session(name="dogs"), [Tracked(prompt_id="one", queued_at=1.0)])

    assert sessions.get("s1") == a_session()
    assert sessions.tracked_in("s1") == []


# -- tracked -----------------------------------------------------------------------------------------------------------


def test_tracked_prompts_come_in_the_order_in_which_they_were_queued(sessions: SqliteSessions) -> None:
    sessions.track("s1", [Tracked(prompt_id=name, queued_at=at) for name, at in (("c", 1.0), ("b", 3.0), ("a", 2.0))])

    assert [one.prompt_id for one in sessions.tracked_in("s1")] == ["c", "a", "b"]


def test_what_is_tracked_again_keeps_what_it_is_not_told_anew(sessions: SqliteSessions) -> None:
    first = Tracked(prompt_id="one", queued_at=1.0, note="cat", downloaded=True, output_dir="/out")
    sessions.track("s1", [first])
    sessions.track("s1", [Tracked(prompt_id="one", queued_at=9.0)])
    assert sessions.tracked_in("s1") == [first]

    sessions.track("s1", [Tracked(prompt_id="one", queued_at=9.0, note="dog", output_dir="/there")])
    assert sessions.tracked_in("s1") == [dataclasses.replace(first, note="dog", output_dir="/there")]


def test_a_prompt_may_be_tracked_by_several_and_is_downloaded_for_all(sessions: SqliteSessions) -> None:
    for session_id in ("s1", "s2"):
        sessions.track(session_id, [Tracked(prompt_id="one", queued_at=1.0), Tracked(prompt_id="two", queued_at=2.0)])
    sessions.note_downloads({"one": "/out", "unknown": "/out"})

    for session_id in ("s1", "s2"):
        one, two = sessions.tracked_in(session_id)
        assert (one.downloaded, one.output_dir) == (True, "/out")
        assert (two.downloaded, two.output_dir) == (False, "")


@pytest.mark.requirement("comfyui.session.tracked")
def test_a_submission_is_tracked_when_it_is_journalled_and_not_without_a_session(
    journal: SqliteJournal, sessions: SqliteSessions
) -> None:
    journal.record([a_submission("one", note="cat", submitted_at=2.0), a_submission("two")], session_id="s1")
    journal.record([a_submission("three")])

    assert sessions.tracked_in("s1") == [
        Tracked(prompt_id="two", queued_at=1.0),
        Tracked(prompt_id="one", queued_at=2.0, note="cat"),
    ]


def test_strangers_are_what_was_not_submitted_here_newest_first(
    journal: SqliteJournal, sessions: SqliteSessions
) -> None:
    journal.record([a_submission("ours")], session_id="s1")
    sessions.track("s1", [Tracked(prompt_id=f"theirs-{at}", queued_at=float(at)) for at in (1, 3, 2)])
    sessions.track("s2", [Tracked(prompt_id="others", queued_at=9.0)])

    assert sessions.strangers("s1", 2) == ["theirs-3", "theirs-2"]
    assert sessions.strangers("s1", 9) == ["theirs-3", "theirs-2", "theirs-1"]


# -- the list ----------------------------------------------------------------------------------------------------------

ENDED = [
    a_submission("old", submitted_at=1.0, end=End.COMPLETED),
    a_submission("new", submitted_at=8.0, end=End.FAILED),
    a_submission("refused", submitted_at=7.0, stage=Stage.REFUSED, reason="no such node"),
    a_submission("unsent", submitted_at=6.5, stage=Stage.REFUSED),
    a_submission("lost", submitted_at=6.0, end=End.LOST),
    a_submission("cancelled", submitted_at=5.0, end=End.CANCELLED),
]
SENT = [a_submission("later", submitted_at=4.0, stage=Stage.SENDING), a_submission("first", submitted_at=3.0)]
WAITING = [
    a_submission(f"w{place}", submitted_at=2.0, stage=Stage.WAITING, batch_id="b1", position=place, graph_id="one")
    for place in (0, 1, 2)
]
RETRIED = a_submission("retried", submitted_at=9.0, end=End.FAILED, batch_id="b1", retried_as="w0")


@pytest.fixture
def listed(journal: SqliteJournal, sessions: SqliteSessions) -> SqliteSessions:
    journal.record([*WAITING, *ENDED, *SENT, RETRIED, a_submission("there", server=THERE)])
    sessions.track("s1", [Tracked(prompt_id=name, queued_at=1.0) for name in ("old", "w1", "first", "there", "x")])
    return sessions


def _page(sessions: SqliteSessions, *statuses: str, limit: int = -1, **among: str | None) -> list[str]:
    given: dict[str, Any] = {"batch_id": None, "session_id": None, **among}
    found = sessions.prompts(HERE, statuses=statuses, limit=limit, **given)
    assert {(one.graph, one.extra_data) for one in found} <= {("", "{}")}, "lists have no graphs"
    return [one.prompt_id for one in found]


ORDER = ["first", "later", "w0", "w1", "w2", "new", "refused", "unsent", "lost", "cancelled", "old"]


@pytest.mark.parametrize("limit", [1, 4, 11, -1])
def test_the_list_has_what_did_not_end_as_it_will_run_and_then_the_newest(listed: SqliteSessions, limit: int) -> None:
    assert _page(listed, limit=limit) == (ORDER[:limit] if limit >= 0 else ORDER)


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        (["open"], {"first", "later"}),
        (["pending"], {"w0", "w1", "w2"}),
        (["failed"], {"new", "refused"}),
        (["not_sent"], {"unsent"}),
        (["completed"], {"old"}),
        (["cancelled"], {"cancelled"}),
        (["lost_to_restart"], {"lost"}),
        (["completed", "open"], {"old", "first", "later"}),
        (["unknown"], set[str]()),
    ],
)
def test_the_list_is_narrowed_to_statuses(listed: SqliteSessions, statuses: list[str], found: set[str]) -> None:
    assert _page(listed, *statuses) == [name for name in ORDER if name in found]


def test_the_list_is_narrowed_to_a_batch_or_a_session(listed: SqliteSessions) -> None:
    assert _page(listed, batch_id="b1") == ["w0", "w1", "w2"]
    assert _page(listed, session_id="s1") == ["first", "w1", "old"]
    assert _page(listed, "completed", session_id="s1") == ["old"]
    assert _page(listed, batch_id="b1", session_id="s1") == ["w1"]
    assert _page(listed, batch_id="b2") == _page(listed, session_id="s2") == []


def test_the_list_is_made_without_a_look_at_graphs(journal: SqliteJournal, sessions: SqliteSessions) -> None:
    SqliteBatches(journal.database).create(Batch(batch_id="b1", server=HERE, created_at=1.0), WAITING, {})
    assert journal.get("w0") is None, "its graph is not there"

    assert _page(sessions, batch_id="b1") == ["w0", "w1", "w2"]
    for query, way in WAYS.items():
        assert way in (plan := _plan(journal, query))
        assert "SCAN submissions" not in plan
        assert "graphs" not in plan


#: How each query finds what it lists.
WAYS = {
    "page": "SEARCH one USING INDEX submissions_listed (server=? AND listed_as=?)",
    "page_of_batch": "SEARCH one USING INDEX submissions_listed_of_batch (batch_id=? AND listed_as=?)",
    "page_of_session": "SEARCH submissions USING INDEX sqlite_autoindex_submissions_1 (prompt_id=?)",
}


def _plan(journal: SqliteJournal, query: str) -> str:
    values = {"server": HERE, "statuses": '["open"]', "batch_id": "b1", "session_id": "s1", "limit": 5}
    rows = journal.database._db.execute("EXPLAIN QUERY PLAN " + journal.database._queries[query], values).fetchall()
    return "; ".join(row["detail"] for row in rows)


def test_a_session_of_many_prompts_is_listed_as_one_of_few(
    listed: SqliteSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [_page(listed, *statuses, session_id="s1") for statuses in ((), ("open",), ("completed",), ("failed",))]
    monkeypatch.setattr(sessions_module, "_FEW", 4)
    assert [
        _page(listed, *statuses, session_id="s1") for statuses in ((), ("open",), ("completed",), ("failed",))
    ] == few
