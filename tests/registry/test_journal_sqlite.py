"""The journal's database file: private, durable, shared, locked, broken, from the future."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import End, Result, Stage, Submission
from mcp_background_job.errors import RegistryError
from mcp_background_job.registry import journal as journal_module
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.database import migrations
from mcp_background_job.registry.journal import JOURNAL, SqliteJournal
from mcp_background_job.registry.sessions import SqliteSessions
from mcp_background_job.registry.sqlite import SqliteRegistry
from tests.patience import PATIENCE_S

HERE = "http://127.0.0.1:8188"
ONE = Submission(prompt_id="one", server=HERE, submitted_at=1.0, graph='{"1": 1}', stage=Stage.SENDING, number=2.0)

RESULT = Result(prompt_id="one", end=End.COMPLETED, at=2.0, content="{}")


def _withdraw(journal: SqliteJournal) -> object:
    return journal.withdraw("one", at=1.0)


WRITES: list[Callable[[SqliteJournal], object]] = [
    lambda journal: journal.record([ONE]),
    lambda journal: journal.answered("one", Stage.ACCEPTED, 1.0),
    lambda journal: journal.ended(["one"], End.FAILED, at=1.0),
    lambda journal: journal.settled(RESULT),
    lambda journal: journal.refused("one", reason="x", result="{}"),
    _withdraw,
    lambda journal: journal.overdue("one", limit_s=1.0),
    lambda journal: journal.want_requeue(["one"]),
    lambda journal: journal.resubmitted("one", number=1.0, at=1.0),
]

READS: list[Callable[[SqliteJournal], object]] = [
    lambda journal: journal.get("one"),
    lambda journal: journal.result("one"),
    lambda journal: journal.open_on(HERE),
    lambda journal: journal.to_requeue(HERE),
    lambda journal: journal.newest(HERE, 1),
]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "comfyui.sqlite3")


@contextlib.contextmanager
def opened(path: str) -> Generator[SqliteJournal]:
    with contextlib.closing(SqliteJournal(path)) as journal:
        yield journal


@contextlib.contextmanager
def plain(path: str) -> Generator[sqlite3.Connection]:
    """The database as somebody else has it open."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "JOURNAL", dataclasses.replace(JOURNAL, busy_timeout_s=0.05))


# -- kept, and for its user alone --------------------------------------------------------------------------------------


def test_what_was_recorded_is_there_after_reopening(path: str) -> None:
    with opened(path) as journal:
        journal.record([ONE])
        journal.answered("one", Stage.ACCEPTED, 3.0)
    with opened(path) as journal:
        assert journal.get("one") == dataclasses.replace(ONE, stage=Stage.ACCEPTED, number=3.0)


def test_all_its_files_are_for_its_user_alone(tmp_path: Path, path: str) -> None:
    old = os.umask(0)
    try:
        with opened(path) as journal:
            journal.record([ONE])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(old)

    assert modes == dict.fromkeys(["comfyui.sqlite3", "comfyui.sqlite3-shm", "comfyui.sqlite3-wal"], 0o600)


def test_opening_it_twice_in_one_process_does_not_take_the_locks_of_the_first(path: str) -> None:
    # Closing any descriptor of a file drops the process's POSIX locks on it. Then another process that closes its
    # connection believes that it was the last, and takes the -wal away under the first.
    with opened(path) as first:
        first.record([ONE])
        with opened(path):
            pass
        subprocess.run([sys.executable, "-c", _OPEN_AND_CLOSE, path], check=True, timeout=PATIENCE_S)
        assert Path(path + "-wal").exists()
        first.want_requeue(["one"])
        assert [one.prompt_id for one in first.to_requeue(HERE)] == ["one"]


_OPEN_AND_CLOSE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT * FROM submissions").fetchall()
connection.close()
"""


def test_a_transaction_is_synced_before_it_is_answered_and_the_indexs_is_not(path: str, tmp_path: Path) -> None:
    full, normal = 2, 1
    with opened(path) as journal:
        (row,) = journal.database._db.execute("PRAGMA synchronous").fetchall()
        assert tuple(row) == (full,)
        (row,) = journal.database._db.execute("PRAGMA fullfsync").fetchall()
        assert tuple(row) == (1,)
    with contextlib.closing(SqliteRegistry(str(tmp_path / "jobs.sqlite3"))) as index:
        (row,) = index._database._db.execute("PRAGMA synchronous").fetchall()
        assert tuple(row) == (normal,)


@pytest.mark.parametrize("write", WRITES[1:])
def test_what_is_learnt_about_a_submission_does_not_write_its_graph_again(
    path: str, write: Callable[[SqliteJournal], object]
) -> None:
    with opened(path) as journal:
        stage = Stage.WAITING if write is _withdraw else Stage.SENDING
        journal.record([dataclasses.replace(ONE, graph="x" * 5_000_000, stage=stage)])
        with plain(path) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        write(journal)
        assert 0 < Path(path + "-wal").stat().st_size < 100_000


@pytest.mark.parametrize("query", ["open_on", "to_requeue", "newest"])
def test_lists_are_read_in_their_order_and_not_sorted_with_all_their_graphs(path: str, query: str) -> None:
    with opened(path) as journal:
        database = journal.database
        values = {"server": HERE, "limit": 1}
        plan = database._db.execute("EXPLAIN QUERY PLAN " + database._queries[query], values).fetchall()

    steps = " ".join(row["detail"] for row in plan)
    assert "USING INDEX submissions_" in steps
    assert "TEMP B-TREE" not in steps


# -- of earlier releases -----------------------------------------------------------------------------------------------

OLD = Path(__file__).parent / "old"


@pytest.fixture
def first_form(path: str) -> str:
    """A journal that the first release with one has written: see ``old/README.md`` for what it was told."""
    shutil.copy(OLD / "comfyui-1.sqlite3", path)
    return path


def _old(prompt_id: str, **values: Any) -> Submission:
    graph = '{"1": {"class_type": "SaveImage", "inputs": {"seed": 1}}}'
    given: dict[str, Any] = {"submitted_at": 1760000000.5, "graph": graph, "stage": Stage.ACCEPTED, **values}
    return Submission(prompt_id=prompt_id, server=HERE, **given)


@pytest.mark.requirement("journal.old")
def test_a_journal_of_the_first_form_is_brought_to_this_one_with_all_that_it_holds(first_form: str) -> None:
    lost = {"end": End.LOST, "ended_at": 1760000013.0, "reason": "restarted", "requeue": True}
    whole = {
        one.prompt_id: one
        for one in [
            _old(
                "completed",
                number=0.0,
                note="a cat",
                client="claude",
                extra_data='{"client_id": "x"}',
                end=End.COMPLETED,
                ended_at=1760000010.0,
            ),
            _old("failed", number=1.0, end=End.FAILED, ended_at=1760000011.0, reason="out of memory"),
            _old("cancelled", number=2.0, end=End.CANCELLED, ended_at=1760000012.0),
            _old("lost", number=3.0, front=True, **lost),
            _old("sending", stage=Stage.SENDING),
            _old("refused", stage=Stage.REFUSED, note="caf\u00e9"),
            _old("open", number=4.0, submitted_at=1760000001.0),
            _old("theirs", number=-3.0, is_ours=False, **lost),
            _old("nul\0id", number=5.0, graph=""),
        ]
    }
    for _ in range(2):
        with opened(first_form) as journal:
            assert {one.prompt_id: one for one in journal.newest(HERE, 100)} == whole
            assert [one.prompt_id for one in journal.open_on(HERE)] == ["open", "nul\0id", "sending"]
            assert [one.prompt_id for one in journal.to_requeue(HERE)] == ["theirs", "lost"]


@pytest.mark.requirement("journal.old")
def test_a_journal_of_the_first_form_goes_on_as_one_of_this(first_form: str) -> None:
    with opened(first_form) as journal:
        batches, sessions = SqliteBatches(journal.database), SqliteSessions(journal.database)
        assert batches.newest(HERE, 5) == []
        assert len(sessions.prompts(HERE, batch_id=None, session_id=None, limit=-1)) == 9
        journal.settled(dataclasses.replace(RESULT, prompt_id="open", content='{"made": 1}'))
        waiting = dataclasses.replace(ONE, stage=Stage.WAITING, batch_id="b1", position=0, graph_id="b1/0")
        batches.create(Batch(batch_id="b1", server=HERE, created_at=1.0), [waiting], {"b1/0": ("{}", "{}")})
        assert batches.claim_next(HERE, ["b1"], at=2.0) == journal.get("one")
        assert (journal.result("open"), journal.result("completed")) == ('{"made": 1}', None)


# -- shared ------------------------------------------------------------------------------------------------------------


def test_two_processes_see_what_the_other_records(path: str) -> None:
    with opened(path) as one, opened(path) as other:
        one.record([ONE])
        assert other.get("one") == ONE
        other.ended(["one"], End.CANCELLED, at=2.0)
        assert one.open_on(HERE) == []


def test_readers_do_not_wait_for_a_writer(path: str) -> None:
    with opened(path) as journal, plain(path) as writer:
        journal.record([ONE])
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("DELETE FROM submissions")
        assert journal.get("one") == ONE
        writer.execute("ROLLBACK")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("write", WRITES)
def test_a_locked_journal_is_an_error_and_not_a_hang(path: str, write: Callable[[SqliteJournal], object]) -> None:
    with opened(path) as journal, plain(path) as other:
        journal.record([ONE])
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryError, match=r"the journal .*comfyui\.sqlite3 cannot be used: .*locked"):
            write(journal)
        other.execute("ROLLBACK")

        assert journal.get("one") == ONE
        write(journal)


@pytest.mark.usefixtures("impatient")
def test_a_journal_that_is_locked_when_it_is_opened_is_an_error_and_not_a_hang(path: str) -> None:
    with plain(path) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE theirs (x)")
        with pytest.raises(RegistryError, match="locked"):
            SqliteJournal(path)
        other.execute("ROLLBACK")


@contextlib.contextmanager
def child(code: str, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """A process that runs this code, and does not outlive the test."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


_WRITE = """
import sys
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.registry.journal import SqliteJournal

def submission(prompt_id):
    return Submission(prompt_id=prompt_id, server="http://127.0.0.1:8188", submitted_at=1.0, graph=prompt_id * 1000,
                      stage=Stage.SENDING)

path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
journal = SqliteJournal(path)
for turn in range(count):
    journal.record(submission(f"{name}-{turn}-{place}") for place in range(3))
    print(turn, flush=True)
    journal.answered(f"{name}-{turn}-0", Stage.ACCEPTED, turn)
    journal.ended([f"{name}-{turn}-1"], End.COMPLETED, at=2.0)
    journal.ended(["shared"], End.LOST, at=2.0)
journal.close()
"""


def _say_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.real_process
def test_processes_that_make_the_journal_and_write_at_once_lose_nothing(path: str) -> None:
    turns = 30
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(child(_WRITE, path, name, str(turns))) for name in "abc"]
        for process in children:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in children:
            _say_go(process)
        assert [process.communicate(timeout=PATIENCE_S)[1] for process in children] == ["", "", ""]
        assert [process.returncode for process in children] == [0, 0, 0]

    with opened(path) as journal:
        assert len(journal.newest(HERE, 10_000)) == 3 * turns * 3
        for name in "abc":
            first, second = journal.get(f"{name}-{turns - 1}-0"), journal.get(f"{name}-{turns - 1}-1")
            assert first is not None
            assert (first.stage, first.number) == (Stage.ACCEPTED, turns - 1)
            assert second is not None
            assert second.end is End.COMPLETED


@pytest.mark.real_process
@pytest.mark.parametrize("answers", [0, 1, 5, 17])
def test_a_kill_in_the_middle_of_recording_loses_nothing_that_was_answered(path: str, answers: int) -> None:
    with child(_WRITE, path, "a", "1000000") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        _say_go(process)
        for turn in range(answers):
            assert process.stdout.readline() == f"{turn}\n"
        process.kill()
        rest = process.stdout.read().split()

    answered = answers + len(rest)
    with opened(path) as journal:
        known = {one.prompt_id: one for one in journal.newest(HERE, 10_000)}
        assert {f"a-{turn}-{place}" for turn in range(answered) for place in range(3)} <= known.keys()
        assert len(known) in {3 * answered, 3 * (answered + 1)}, "what was recorded together is there together"
        assert all(one.graph == prompt_id * 1000 for prompt_id, one in known.items())
        journal.record([ONE])


# -- broken ------------------------------------------------------------------------------------------------------------


def test_a_journal_of_a_newer_release_is_refused_by_a_sentence_that_says_so_and_left_as_it_is(path: str) -> None:
    with opened(path) as journal:
        journal.record([ONE])
    with plain(path) as connection:
        connection.execute("PRAGMA user_version = 999")

    with pytest.raises(RegistryError) as refusal:
        SqliteJournal(path)

    newest = migrations("comfyui")[-1][0]
    assert str(refusal.value) == (
        f"{path} was written by a newer release (format 999, this one knows {newest}): update mcp-background-job"
    )
    with plain(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (999,)
        assert connection.execute("SELECT prompt_id FROM submissions").fetchall() == [("one",)]


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_file_that_is_no_database_is_named_and_left_as_it_is(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)

    with pytest.raises(RegistryError, match=r"the journal .*comfyui\.sqlite3 cannot be used"):
        SqliteJournal(path)

    assert Path(path).read_bytes() == content


@pytest.mark.parametrize("read", READS)
def test_pages_that_were_overwritten_are_named(path: str, read: Callable[[SqliteJournal], object]) -> None:
    with opened(path) as journal:
        journal.record([dataclasses.replace(ONE, requeue=True)])
    page = 4096
    with Path(path).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(page)
        file.write(b"\xff" * (size - page))

    with pytest.raises(RegistryError, match=r"comfyui\.sqlite3 cannot be used: .*malformed"), opened(path) as journal:
        read(journal)


@pytest.mark.parametrize("use", [*READS, *WRITES])
def test_a_journal_that_breaks_while_it_is_used_is_an_error_of_ours(
    path: str, use: Callable[[SqliteJournal], object]
) -> None:
    with opened(path) as journal:
        with plain(path) as connection:
            connection.execute("DROP VIEW whole")
            connection.execute("DROP TABLE submissions")
            connection.execute("DROP TABLE results")
        with pytest.raises(RegistryError, match="no such table"):
            use(journal)


def test_a_row_that_says_what_no_release_says_is_an_error_that_names_the_file(path: str) -> None:
    with opened(path) as journal:
        journal.record([ONE])
        with plain(path) as connection:
            connection.execute("UPDATE submissions SET stage = 'lunch'")
        with pytest.raises(RegistryError, match=r"comfyui\.sqlite3 has a row that cannot be read: 'lunch'"):
            journal.get("one")


@pytest.mark.parametrize("where", ["", "gone/comfyui.sqlite3"])
def test_a_place_that_cannot_hold_a_journal_is_an_error_of_ours(tmp_path: Path, where: str) -> None:
    mode = tmp_path.stat().st_mode

    with pytest.raises(RegistryError, match=r"the journal .* cannot be used"):
        SqliteJournal(str(tmp_path / where))

    assert tmp_path.stat().st_mode == mode


def test_a_journal_that_is_closed_says_so(path: str) -> None:
    journal = SqliteJournal(path)
    journal.close()

    with pytest.raises(RegistryError, match="closed"):
        journal.get("one")


def test_a_full_disk_is_said_and_what_was_known_before_is_known_after(path: str) -> None:
    with opened(path) as journal:
        journal.record([ONE])
        size = journal.database._db.execute("PRAGMA page_count").fetchone()[0]
        journal.database._db.execute(f"PRAGMA max_page_count = {size + 5}")
        large = dataclasses.replace(ONE, prompt_id="large", graph="x" * 1_000_000)
        with pytest.raises(RegistryError, match="full"):
            journal.record([dataclasses.replace(ONE, prompt_id="two"), large])

        assert journal.newest(HERE, 10) == [ONE]
        journal.record([dataclasses.replace(ONE, prompt_id="three")])
        assert journal.get("three")


def test_an_error_with_which_sqlite_itself_ends_the_transaction_is_said(path: str) -> None:
    def fail(journal: SqliteJournal) -> None:
        with journal.database.writing():
            journal.database._db.execute("ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")

    with opened(path) as journal:
        with pytest.raises(RegistryError, match="disk I/O error"):
            fail(journal)
        journal.record([ONE])


def test_a_record_that_fails_half_way_changes_nothing_and_the_next_one_works(path: str) -> None:
    unstorable = dataclasses.replace(ONE, prompt_id="bad", submitted_at=2**70)
    with opened(path) as journal:
        with pytest.raises(OverflowError):
            journal.record([dataclasses.replace(ONE, prompt_id="good"), unstorable])
        assert journal.newest(HERE, 10) == []
        journal.record([ONE])
        assert journal.get("one") == ONE


def test_what_was_kept_under_other_spellings_of_a_url_is_found_by_its_name_and_has_no_login(tmp_path: Path) -> None:
    path = str(tmp_path / "comfyui.sqlite3")
    urls = [
        "http://localhost:8188",
        "http://me:hush@127.0.0.1:8188/",
        "http://127.0.0.1:8188",
        "http://gpu:8188",
        "odd",
    ]
    with contextlib.closing(SqliteJournal(path)) as journal:
        journal.record(dataclasses.replace(ONE, prompt_id=f"p{index}", server=url) for index, url in enumerate(urls))
        batch = Batch(batch_id="b1", server=urls[1], created_at=1.0)
        SqliteBatches(journal.database).create(batch, [], {})
        journal.rename_servers()
        assert {one.prompt_id for one in journal.newest("http://127.0.0.1:8188", 10)} == {"p0", "p1", "p2"}
        assert [one.prompt_id for one in journal.newest("http://gpu:8188", 10)] == ["p3"]
        assert [one.prompt_id for one in journal.newest("odd", 10)] == ["p4"]
        assert [one.batch_id for one in SqliteBatches(journal.database).newest("http://127.0.0.1:8188", 10)] == ["b1"]
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert "hush" not in "\n".join(database.iterdump())
