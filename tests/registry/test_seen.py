"""What was last seen of a queue is kept whole, with the graphs of what others submitted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.registry.seen import SqliteSeen

HERE, THERE = "http://127.0.0.1:8188", "http://127.0.0.1:8199"


def _theirs(prompt_id: str, server: str = HERE) -> Submission:
    number = float(sum(map(ord, prompt_id)))
    graph = f'{{"1": "{prompt_id}"}}'
    return Submission(
        prompt_id=prompt_id,
        server=server,
        submitted_at=1.0,
        graph=graph,
        extra_data='{"client_id": "browser"}',
        number=number,
        stage=Stage.ACCEPTED,
        is_ours=False,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(str(tmp_path / "comfyui.sqlite3"))
    yield journal
    journal.close()


def _note(seen: SqliteSeen, at: float, running: str, pending: str, server: str = HERE) -> list[str]:
    made: list[str] = []

    def make(prompt_id: str) -> Submission:
        made.append(prompt_id)
        return _theirs(prompt_id, server)

    seen.note(server, at=at, places=dict.fromkeys(pending, False) | dict.fromkeys(running, True), made=make)
    return sorted(made)


def test_nothing_was_seen_of_a_queue_that_nobody_looked_at(journal: SqliteJournal) -> None:
    assert SqliteSeen(journal.database).last(HERE) is None


def test_a_queue_is_kept_as_it_was_seen_last(journal: SqliteJournal) -> None:
    seen = SqliteSeen(journal.database)
    assert _note(seen, 5.0, "a", "cb") == ["a", "b", "c"]
    _note(seen, 6.0, "x", "", THERE)
    assert _note(seen, 7.0, "b", "cd") == ["d"]  # a graph is written once
    last = seen.last(HERE)
    assert last is not None
    assert (last.at, last.running, last.pending) == (7.0, (_theirs("b"),), (_theirs("c"), _theirs("d")))
    _note(seen, 8.0, "", "")
    emptied = seen.last(HERE)
    assert emptied is not None
    assert (emptied.at, emptied.running, emptied.pending) == (8.0, (), ())


def test_what_is_ours_is_as_the_journal_has_it(journal: SqliteJournal) -> None:
    seen = SqliteSeen(journal.database)
    ours = dataclasses.replace(_theirs("a"), is_ours=True, note="a cat", graph='{"1": "ours"}')
    journal.record([ours])
    _note(seen, 5.0, "", "ab")
    journal.ended(["a"], End.COMPLETED, at=6.0)
    last = seen.last(HERE)
    assert last is not None
    assert last.pending == (journal.get("a"), _theirs("b"))
    assert not last.pending[0].is_open
