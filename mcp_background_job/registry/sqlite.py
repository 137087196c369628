"""The index in SQLite: shared by every server and command line on this state directory."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
import time
from collections.abc import Collection, Generator, Iterable, Iterator
from importlib import resources
from typing import Any

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import TRANSITIONS, Outcome, State
from mcp_background_job.errors import RegistryError

#: Seconds that a statement waits for another process's transaction; all of ours take milliseconds.
BUSY_TIMEOUT_S = 2.0

#: Seconds between two attempts at what SQLite does not wait for by itself.
_RETRY_S = 0.01

_PACKAGE = "mcp_background_job.registry"
_TRANSITIONS = json.dumps([f"{old}>{new}" for old, following in TRANSITIONS.items() for new in following])


def _queries() -> dict[str, str]:
    text = resources.files(_PACKAGE).joinpath("queries.sql").read_text()
    parts = re.split(r"^-- (\w+) --$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _migrations() -> list[tuple[int, str]]:
    """Return all migrations with their numbers, in order."""
    files = resources.files(_PACKAGE).joinpath("migrations").iterdir()
    return sorted((int(file.name[:4]), file.read_text()) for file in files if file.name.endswith(".sql"))


class SqliteRegistry:
    """An index in a database file. Use it from one thread."""

    def __init__(self, path: str) -> None:
        """Opens the database, and makes it or brings it to this release's form where needed.

        Raises:
            RegistryError: it cannot be used; the message says why and what helps.
        """
        self._path = path
        self._queries = _queries()
        with self._translated():
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def put(self, jobs: Iterable[Job]) -> None:
        with self._transaction() as db:
            db.executemany(self._queries["put"], [_row_of(job) for job in jobs])

    def get(self, job_id: str) -> Job | None:
        return next(iter(self._jobs("get", job_id=job_id)), None)

    def newest_named(self, name: str) -> Job | None:
        return next(iter(self._jobs("newest_named", name=name)), None)

    def page(self, *, statuses: Collection[str], name: str | None, limit: int, offset: int) -> list[Job]:
        return self._jobs("page", statuses=json.dumps(sorted(statuses)), name=name, limit=limit, offset=offset)

    def unended(self) -> list[Job]:
        return self._jobs("unended")

    def ids(self) -> set[str]:
        return {row["job_id"] for row in self._rows("ids")}

    def ended_before(self, moment: float) -> list[str]:
        return [row["job_id"] for row in self._rows("ended_before", moment=moment)]

    def unseen_endings(self, client: str) -> list[Job]:
        return self._jobs("unseen_endings", client=client)

    def mark_seen(self, job_ids: Collection[str]) -> None:
        self._rows("mark_seen", job_ids=json.dumps(list(job_ids)))

    def forget(self, job_ids: Collection[str]) -> None:
        self._rows("forget", job_ids=json.dumps(list(job_ids)))

    def close(self) -> None:
        self._db.close()

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        self._use_wal()
        # Without a sync per transaction: what a power failure takes from the index comes back from the directories.
        self._db.execute("PRAGMA synchronous = NORMAL")
        migrations = _migrations()
        newest = migrations[-1][0]
        if self._version() == newest:
            return
        with self._transaction() as db:  # holds the write lock, so that two servers do not both migrate
            version = self._version()
            if version > newest:
                raise RegistryError(
                    f"{self._path} was written by a newer release (format {version}, this one knows {newest}): "
                    "jobs are read from their directories instead; update mcp-background-job to use the index"
                )
            for number, script in migrations:
                if number > version:
                    for statement in _statements(script):
                        db.execute(statement)
            db.execute(f"PRAGMA user_version = {newest:d}")

    def _use_wal(self) -> None:
        # SQLite does not wait for this: where waiting might be a deadlock it says "locked" at once. Two processes that
        # make the database together meet that.
        deadline = time.monotonic() + BUSY_TIMEOUT_S
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

    def _jobs(self, query: str, **values: object) -> list[Job]:
        return [_job_of(row) for row in self._rows(query, **values)]

    def _rows(self, query: str, **values: object) -> list[sqlite3.Row]:
        with self._translated():
            return self._db.execute(self._queries[query], values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RegistryError(f"the index {self._path} cannot be used: {error}") from error


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _row_of(job: Job) -> dict[str, Any]:
    values = {name: _storable(value) for name, value in vars(job).items()}
    return {**values, "status": job.status, "transitions": _TRANSITIONS}


def _storable(value: object) -> object:
    # Bytes that are no UTF-8 come as lone surrogates, which SQLite cannot hold.
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _job_of(row: sqlite3.Row) -> Job:
    return Job(
        job_id=row["job_id"],
        name=row["name"],
        command=row["command"],
        cwd=row["cwd"],
        client=row["client"],
        created_at=row["created_at"],
        state=State(row["state"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        exit_code=row["exit_code"],
        signal=row["signal"],
        reason=row["reason"],
    )
