"""The index's database file: shared, migrated, locked, broken, from the future."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import RegistryError
from mcp_background_job.registry import database, sqlite
from mcp_background_job.registry.sqlite import SqliteRegistry
from tests.patience import PATIENCE_S

JOB = Job(
    job_id="jone",
    command="make",
    cwd="/",
    created_at=1.0,
    state=State.EXITED,
    outcome=Outcome.FAILED,
    ended_at=2.0,
    exit_code=2,
    name="build",
    client="me",
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.sqlite3")


@contextlib.contextmanager
def opened(path: str) -> Generator[SqliteRegistry]:
    registry = SqliteRegistry(path)
    try:
        yield registry
    finally:
        registry.close()


@contextlib.contextmanager
def plain(path: str) -> Generator[sqlite3.Connection]:
    """The database as somebody else has it open."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_what_was_put_is_there_after_reopening(path: str) -> None:
    with opened(path) as registry:
        registry.put([JOB])
    with opened(path) as registry:
        assert registry.get("jone") == JOB


def test_two_servers_see_what_the_other_puts(path: str) -> None:
    with opened(path) as one, opened(path) as other:
        one.put([JOB])
        assert other.get("jone") == JOB
        other.forget(["jone"])
        assert one.count() == 0


def test_what_has_not_ended_is_read_anew_when_anybody_has_written(path: str) -> None:
    live = dataclasses.replace(JOB, job_id="jlive", state=State.RUNNING, outcome=None, ended_at=None)
    with opened(path) as one, opened(path) as other:
        assert one.unended() == []
        other.put([JOB, live])
        assert one.unended() == [live]
        one.unended().clear()  # what is handed out is the caller's own
        assert one.unended() == [live]
        one.put([dataclasses.replace(JOB, job_id="jlive")])
        assert one.unended() == []
        assert other.unended() == []


def test_readers_do_not_wait_for_a_writer(path: str) -> None:
    with opened(path) as registry, plain(path) as writer:
        registry.put([JOB])
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM jobs")
        assert registry.get("jone") == JOB
        writer.execute("ROLLBACK")


def test_a_database_of_a_newer_release_is_refused_by_a_sentence_that_says_so_and_left_as_it_is(path: str) -> None:
    with opened(path) as registry:
        registry.put([JOB])
    with plain(path) as connection:
        connection.execute("PRAGMA user_version = 999")

    with pytest.raises(RegistryError, match="newer release") as refusal:
        SqliteRegistry(path)

    assert path in str(refusal.value)
    assert "999" in str(refusal.value)
    with plain(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (999,)
        assert connection.execute("SELECT job_id FROM jobs").fetchall() == [("jone",)]


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_file_that_is_no_database_is_named_and_left_as_it_is(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)

    with pytest.raises(RegistryError, match=r"jobs\.sqlite3"):
        SqliteRegistry(path)

    assert Path(path).read_bytes() == content


def test_a_database_that_breaks_while_it_is_used_is_an_error_of_ours(path: str) -> None:
    with opened(path) as registry:
        registry.put([JOB])
        with plain(path) as connection:
            connection.execute("DROP TABLE jobs")
        with pytest.raises(RegistryError, match="no such table"):
            registry.get("jone")
        with pytest.raises(RegistryError, match="no such table"):
            registry.put([JOB])


@pytest.mark.parametrize("where", ["", "gone/jobs.sqlite3"])
def test_a_place_that_cannot_hold_a_database_is_an_error_of_ours(tmp_path: Path, where: str) -> None:
    with pytest.raises(RegistryError, match="cannot be used"):
        SqliteRegistry(str(tmp_path / where))


def test_a_locked_database_is_an_error_and_not_a_hang(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "INDEX", dataclasses.replace(sqlite.INDEX, busy_timeout_s=0.05))
    with opened(path) as registry, plain(path) as other:
        registry.put([JOB])
        other.execute("BEGIN EXCLUSIVE")
        for write in (
            lambda: registry.put([JOB]),
            lambda: registry.forget(["jone"]),
        ):
            with pytest.raises(RegistryError, match="locked"):
                write()
        other.execute("ROLLBACK")

        registry.put([JOB])
        assert registry.get("jone") == JOB, "the connection is as good as before"


def test_a_database_that_is_locked_when_it_is_opened_is_an_error_and_not_a_hang(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "INDEX", dataclasses.replace(sqlite.INDEX, busy_timeout_s=0.05))
    with plain(path) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE theirs (x)")
        with pytest.raises(RegistryError, match="locked"):
            SqliteRegistry(path)
        other.execute("ROLLBACK")


def test_a_put_that_fails_half_way_changes_nothing_and_the_next_one_works(path: str) -> None:
    unstorable = dataclasses.replace(JOB, job_id="jbad", exit_code=2**70)
    with opened(path) as registry:
        with pytest.raises((RegistryError, OverflowError)):
            registry.put([dataclasses.replace(JOB, job_id="jgood"), unstorable])
        assert registry.count() == 0
        registry.put([JOB])
        assert set(registry.ids(limit=10)) == {"jone"}


def test_a_migration_that_fails_half_way_is_undone(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_folder: str) -> list[tuple[int, str]]:
        return [(1, "CREATE TABLE jobs (x);\nCREATE TABLE jobs (y);\n")]

    with monkeypatch.context() as patch:
        patch.setattr(database, "migrations", broken)
        with pytest.raises(RegistryError, match="already exists"):
            SqliteRegistry(path)
    with opened(path) as registry:
        registry.put([JOB])
        assert set(registry.ids(limit=10)) == {"jone"}


def test_a_migration_runs_once_and_keeps_what_was_there(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as registry:
        registry.put([JOB])
    known = database.migrations("jobs")
    number = known[-1][0] + 1

    def with_one_more(_folder: str) -> list[tuple[int, str]]:
        return [*known, (number, "-- a comment; with a semicolon\nALTER TABLE jobs ADD COLUMN colour TEXT;\n")]

    monkeypatch.setattr(database, "migrations", with_one_more)
    for _ in range(2):
        with opened(path) as registry:
            assert registry.get("jone") == JOB
    with plain(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (number,)


# -- additions ---------------------------------------------------------------------------------------------------------

#: As release 1.0.0 puts a job.
AS_RELEASE_1 = """
INSERT INTO jobs (job_id, name, command, cwd, client, created_at, state, outcome, status, started_at, ended_at,
                  exit_code, signal, reason)
VALUES ('jold', 'web', 'serve', '/', 'me', 3.0, 'running', NULL, 'running', 3.5, NULL, NULL, NULL, '')
ON CONFLICT (job_id) DO UPDATE SET state = excluded.state, status = excluded.status, ended_at = excluded.ended_at
"""


def as_release_1(path: str) -> sqlite3.Connection:
    """A database as release 1.0.0 makes it, or has it open."""
    connection = sqlite3.connect(path, isolation_level=None)
    if connection.execute("PRAGMA user_version").fetchone() == (0,):
        connection.executescript(database.migrations("jobs")[0][1])
        connection.execute("PRAGMA user_version = 1")
    return connection


def test_what_is_new_comes_without_a_version_that_release_1_would_refuse(path: str) -> None:
    with opened(path) as registry, contextlib.closing(as_release_1(path)) as theirs:
        registry.put([JOB])
        assert theirs.execute("PRAGMA user_version").fetchone() == (1,)
        theirs.execute(AS_RELEASE_1)
        assert {row[0] for row in theirs.execute("SELECT job_id FROM jobs")} == {"jone", "jold"}
    assert len(database.migrations("jobs")) == 1, "what comes after release 1.0.0 is an addition"
    assert len(database.migrations("comfyui")) == 3, "what comes after release 1.0.0 is an addition"


def test_a_database_of_release_1_gets_what_is_new_once_while_that_has_it_open(path: str) -> None:
    with contextlib.closing(as_release_1(path)) as theirs:
        theirs.execute(AS_RELEASE_1)
        for _ in range(3):
            with opened(path) as registry:
                assert registry.count() == 1
                assert registry.without_origin(limit=5) == ["jold"]
        theirs.execute(AS_RELEASE_1)
        numbers = [row[0] for row in theirs.execute("SELECT number FROM additions ORDER BY number")]
        assert numbers == [number for number, _ in database.additions("jobs")]


def test_a_row_of_release_1_is_read_and_filled_once_and_stays_filled_when_that_writes_it_again(path: str) -> None:
    with opened(path) as registry, contextlib.closing(as_release_1(path)) as theirs:
        theirs.execute(AS_RELEASE_1)
        job = registry.get("jold")
        assert job is not None
        assert (job.project, job.reader, job.parent, job.is_own) == ("", "", None, False)

        registry.put([dataclasses.replace(job, state=State.EXITED, outcome=Outcome.COMPLETED)])
        assert registry.without_origin(limit=5) == ["jold"], "what was read from such a row tells nothing"
        filled = dataclasses.replace(job, project="/src", reader="me", parent="jnobody", is_own=True)
        registry.fill_origins([filled])
        theirs.execute(AS_RELEASE_1)

        assert registry.without_origin(limit=5) == []
        assert registry.get("jold") == dataclasses.replace(filled, state=State.RUNNING, outcome=Outcome.COMPLETED)


def test_an_addition_of_a_later_release_disturbs_nobody(path: str) -> None:
    with opened(path) as registry:
        registry.put([JOB])
    with plain(path) as connection:
        connection.execute("INSERT INTO additions VALUES (999)")
        connection.execute("ALTER TABLE jobs ADD COLUMN colour TEXT")
    with opened(path) as registry:
        assert registry.get("jone") == JOB


def test_an_addition_that_fails_half_way_is_undone(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_folder: str) -> list[tuple[int, str]]:
        return [(1, "CREATE TABLE a (x);\nCREATE TABLE a (y);\n")]

    with monkeypatch.context() as patch:
        patch.setattr(database, "additions", broken)
        with pytest.raises(RegistryError, match="already exists"):
            SqliteRegistry(path)
    with opened(path) as registry:
        registry.put([JOB])
        assert set(registry.ids(limit=10)) == {"jone"}


@pytest.mark.parametrize("what", [database.migrations, database.additions])
@pytest.mark.parametrize("folder", ["jobs", "comfyui"])
def test_migrations_are_numbered_without_gaps(folder: str, what: Callable[[str], list[tuple[int, str]]]) -> None:
    numbers = [number for number, _ in what(folder)]

    assert numbers == list(range(1, len(numbers) + 1))


_OPEN_TOGETHER = """
import sys
from mcp_background_job.registry.sqlite import SqliteRegistry
print("ready", flush=True)
sys.stdin.readline()
SqliteRegistry(sys.argv[1]).close()
"""


@pytest.mark.real_process
def test_processes_that_make_the_database_at_the_same_moment_all_succeed(tmp_path: Path) -> None:
    rounds = 5
    for turn in range(rounds):
        path = str(tmp_path / f"jobs{turn}.sqlite3")
        with contextlib.ExitStack() as stack:
            children = [
                subprocess.Popen(
                    [sys.executable, "-c", _OPEN_TOGETHER, path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for _ in range(4)
            ]
            for child in children:
                stack.enter_context(child)
                stack.callback(child.kill)
            for child in children:
                assert child.stdout is not None
                assert child.stdout.readline() == "ready\n"
            for child in children:
                assert child.stdin is not None
                child.stdin.write("\n")
                child.stdin.flush()
            errors = [child.communicate(timeout=PATIENCE_S)[1] for child in children]
            assert errors == [""] * len(children)
            assert [child.returncode for child in children] == [0] * len(children)
