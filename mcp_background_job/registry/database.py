"""A database file that several processes share: opened, brought to this release's form, and read by named queries.

Each kind of database has a folder in this room. ``queries.sql`` holds all its statements. SQLite's ``user_version``
counts its ``migrations``, and the table ``additions`` lists its ``additions``. A release refuses a database with a
migration that it does not know. So a change that other releases can do without is an addition: new tables, columns that
may be empty, indexes. Every sqlite3.Error is raised from here as a RegistryError that names the file.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mcp_background_job.errors import RegistryError

#: Seconds between two attempts at a step that SQLite does not wait for by itself.
_RETRY_S = 0.01

#: The folders are beside this file. ``importlib.resources`` would find them in an archive too, but takes longer than
#: all queries.
_HERE = Path(__file__).parent

#: Runs a named query once for each set of values; returns how many rows changed.
Write: TypeAlias = Callable[[str, Sequence[Mapping[str, Any]]], int]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The differences between kinds of databases.

    Attributes:
        folder: folder of its queries and migrations, in this room.
        noun: its name in messages.
        if_newer: advice or consolation in the message, if a newer release has written the file.
        pragmas: settings of each connection.
        busy_timeout_s: how long a statement waits for another process's transaction, in seconds.
        any_thread: whether any thread may use it, one at a time, or only the one that opened it.
    """

    folder: str
    noun: str
    if_newer: str
    pragmas: tuple[str, ...]
    busy_timeout_s: float
    any_thread: bool = False


class Database:
    """An open database file."""

    def __init__(self, path: str, kind: Kind) -> None:
        """Opens the database; makes it or brings it to this release's form if needed.

        Raises:
            RegistryError: it cannot be used; the message gives the reason and advice.
        """
        self.path = path
        self._kind = kind
        self._queries = queries(kind.folder)
        # sqlite3 lets threads share a connection but mixes their transactions, so this lock lets one in at a time.
        self._lock = threading.RLock()
        with self._in_use():
            self._db = sqlite3.connect(
                path, timeout=kind.busy_timeout_s, isolation_level=None, check_same_thread=not kind.any_thread
            )
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def rows(self, query: str, **values: object) -> list[sqlite3.Row]:
        """Run one query in a transaction of its own.

        Raises:
            RegistryError: the database cannot be used.
        """
        with self._in_use():
            return self._db.execute(self._queries[query], values).fetchall()

    def version(self) -> object:
        """Return a value that changes whenever something is written, here or in another process."""
        with self._in_use():
            return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    @contextlib.contextmanager
    def writing(self) -> Generator[Write]:
        """Give out a function that runs queries in one transaction: all of it counts when the block ends, or none.

        Raises:
            RegistryError: the database cannot be used.
        """
        with self._transaction() as db:

            def write(query: str, values: Sequence[Mapping[str, Any]]) -> int:
                return db.executemany(self._queries[query], values).rowcount

            yield write

    def close(self) -> None:
        """Close the file, after the thread that uses it is done."""
        with self._lock:
            self._db.close()

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        self._use_wal()
        for pragma in self._kind.pragmas:
            self._db.execute(f"PRAGMA {pragma}")
        known = migrations(self._kind.folder)
        newest = known[-1][0]
        added = additions(self._kind.folder)
        if self._version() == newest and not self._missing(added):
            return
        with self._transaction():  # holds the write lock, so two servers do not both migrate
            version = self._version()
            if version > newest:
                raise RegistryError(
                    f"{self.path} was written by a newer release (format {version}, this one knows {newest}): "
                    f"{self._kind.if_newer}"
                )
            self._run([script for number, script in known if number > version])
            self._db.execute(f"PRAGMA user_version = {newest:d}")
            missing = self._missing(added)
            self._run([script for _, script in missing])
            self._note_additions([number for number, _ in missing])

    def _run(self, scripts: list[str]) -> None:
        for script in scripts:
            for statement in _statements(script):
                self._db.execute(statement)

    def _missing(self, known: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return the additions that this database lacks; a newer release may have made others."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'additions'").fetchone():
            return known
        there = {row["number"] for row in self._db.execute("SELECT number FROM additions")}
        return [(number, script) for number, script in known if number not in there]

    def _note_additions(self, numbers: list[int]) -> None:
        self._db.execute("CREATE TABLE IF NOT EXISTS additions (number INTEGER PRIMARY KEY)")
        self._db.executemany("INSERT INTO additions (number) VALUES (?)", [(number,) for number in numbers])

    def _use_wal(self) -> None:
        # SQLite does not wait for this: if a wait could be a deadlock, it reports "locked" at once. Two processes that
        # make the database together meet that.
        deadline = time.monotonic() + self._kind.busy_timeout_s
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise
                threading.Event().wait(_RETRY_S)
            else:
                return

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._in_use():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends the transaction before this does
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _in_use(self) -> Generator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise RegistryError(f"the {self._kind.noun} {self.path} cannot be used: {error}") from error


def queries(folder: str) -> dict[str, str]:
    """Return the statements of a kind of database by their names."""
    text = (_HERE / folder / "queries.sql").read_text()
    parts = re.split(r"^-- (\w+) --$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def migrations(folder: str) -> list[tuple[int, str]]:
    """Return all migrations of a kind of database with their numbers, in order."""
    return _scripts(folder, "migrations")


def additions(folder: str) -> list[tuple[int, str]]:
    """Return all additions to a kind of database with their numbers, in order."""
    return _scripts(folder, "additions")


def _scripts(folder: str, what: str) -> list[tuple[int, str]]:
    # The index and the journal have additions; a kind that release 1.0.0 does not know needs none, and has no such
    # folder.
    return sorted((int(file.name[:4]), file.read_text()) for file in (_HERE / folder / what).glob("*.sql"))


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
