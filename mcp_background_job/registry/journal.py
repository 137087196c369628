"""The journal in SQLite: the only record of submissions to ComfyUI, shared by all processes."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mcp_background_job.core.comfyui.server_url import key_of
from mcp_background_job.core.comfyui.submission import End, Result, Stage, Submission
from mcp_background_job.errors import RegistryError
from mcp_background_job.registry.database import Database, Kind
from mcp_background_job.registry.journal_base import kept, placed
from mcp_background_job.registry.text import storable

JOURNAL = Kind(
    folder="comfyui",
    noun="journal",
    if_newer="update mcp-background-job",
    # A sync per transaction: a prompt is sent after it is in the journal, so the journal must survive a power failure.
    # The second pragma makes macOS really sync.
    pragmas=("synchronous = FULL", "fullfsync = ON"),
    busy_timeout_s=10.0,  # another process may be writing a queue full of graphs of many megabytes to a slow disk
    any_thread=True,  # its writes wait for the disk, so callers are in a thread
)

#: Tables that have rows as soon as a user has rendered something or wants to. The other tables record looks.
_USED = ("submissions", "batches", "sessions")

_making_file = threading.Lock()


class SqliteJournal:
    """A journal in a database file that only its user can read. Any thread may use it; one uses it at a time."""

    def __init__(self, path: str) -> None:
        """Opens the database; makes it or brings it to this release's form if needed.

        Raises:
            RegistryError: it cannot be used; the message gives the reason and advice.
        """
        _make_file(path)
        self.database = Database(path, JOURNAL)

    def record(self, submissions: Iterable[Submission], *, session_id: str | None = None, boot: str = "") -> None:
        rows = [row_of(submission) for submission in submissions]
        with self.database.writing() as write:
            write("record", rows)
            write("attempt_boot", [{"prompt_id": row["prompt_id"], "boot": boot} for row in rows if boot])
            write("record_graph", rows)
            write("forget_result", rows)
            write("track", [tracked_row(session_id, row) for row in rows if session_id is not None])

    def get(self, prompt_id: str) -> Submission | None:
        return next(iter(self._submissions("get", prompt_id=storable(prompt_id))), None)

    def answered(self, prompt_id: str, stage: Stage, number: float | None) -> None:
        self._change("answered", [prompt_id], stage=stage, number=placed(number))

    def refused(self, prompt_id: str, *, reason: str, result: str) -> None:
        with self.database.writing() as write:
            write("refused", [{"prompt_id": storable(prompt_id), "reason": storable(reason)}])
            write("keep_result", [{"prompt_id": storable(prompt_id), "content": storable(result)}])

    def ended(self, prompt_ids: Iterable[str], end: End, *, at: float, reason: str = "") -> None:
        self._change("ended", prompt_ids, end=end, at=at, reason=storable(reason), started_at=None, outputs=None)

    def settled(self, result: Result) -> None:
        values = {name: storable(value) if type(value) is str else value for name, value in vars(result).items()}
        with self.database.writing() as write:
            write("ended", [values])
            write("keep_result", [values])

    def result(self, prompt_id: str) -> str | None:
        rows = self.database.rows("result", prompt_id=storable(prompt_id))
        return str(rows[0]["content"]) if rows else None

    def withdraw(self, prompt_id: str, *, at: float) -> bool:
        return bool(self.database.rows("withdraw", prompt_id=storable(prompt_id), at=at))

    def overdue(self, prompt_id: str, *, limit_s: float) -> None:
        self._change("overdue", [prompt_id], limit_s=limit_s)

    def want_requeue(self, prompt_ids: Iterable[str]) -> None:
        self._change("want_requeue", prompt_ids)

    def resubmitted(self, prompt_id: str, *, number: float | None, at: float) -> None:
        row = {"prompt_id": storable(prompt_id), "number": placed(number), "at": at}
        with self.database.writing() as write:
            write("resubmitted", [row])
            write("forget_result", [row])

    def open_on(self, server: str) -> list[Submission]:
        return self._submissions("open_on", server=storable(server))

    def to_requeue(self, server: str) -> list[Submission]:
        return self._submissions("to_requeue", server=storable(server))

    def newest(self, server: str, limit: int) -> list[Submission]:
        return self._submissions("newest", server=storable(server), limit=limit)

    def rename_servers(self) -> None:
        """Give submissions and batches the canonical name of their server, if they have another spelling of its URL.

        Release 1.0.0 keeps URLs as they were written, with the login in them.
        """
        spellings = [str(row["server"]) for row in self.database.rows("spellings")]
        others = [{"server": name, "spelling": one} for one in spellings if (name := key_of(one)) != one]
        if others:
            with self.database.writing() as write:
                write("rename_server", others)
                write("rename_server_of_batches", others)
                write("rename_server_of_attempts", others)

    def close(self) -> None:
        self.database.close()

    def _change(self, query: str, prompt_ids: Iterable[str], **values: object) -> None:
        # One row per id: SQLite would cut a JSON list of them, as the index uses it, at a NUL inside an id.
        rows = [{"prompt_id": storable(prompt_id), **values} for prompt_id in prompt_ids]
        with self.database.writing() as write:
            write(query, rows)

    def _submissions(self, query: str, **values: object) -> list[Submission]:
        return submissions(self.database, query, **values)


def has_rows(path: str) -> bool:
    """Tell whether a journal records any use of ComfyUI, without changing or making it.

    An unreadable journal counts as used: its next user gets the error.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", timeout=0, uri=True)) as database:
            there = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            asked = [f"SELECT 1 FROM {table} LIMIT 1" for table in _USED if table in there]
            return any(database.execute(query).fetchone() for query in asked)
    except sqlite3.Error:
        return True


def submissions(database: Database, query: str, **values: object) -> list[Submission]:
    """Return the submissions that a query finds.

    Raises:
        RegistryError: the database cannot be used, or a row of it does not have the format's form.
    """
    try:
        return [_submission_of(row) for row in database.rows(query, **values)]
    except ValueError as error:
        raise RegistryError(f"the journal {database.path} has a row that cannot be read: {error}") from error


def row_of(submission: Submission) -> dict[str, Any]:
    """Return the row of a submission, as the queries take it."""
    return vars(kept(submission))


def tracked_row(session_id: str | None, row: dict[str, Any]) -> dict[str, Any]:
    """Return the row that tracks a submission in a session."""
    return {
        "session_id": session_id,
        "prompt_id": row["prompt_id"],
        "queued_at": row["submitted_at"],
        "note": row["note"],
        "downloaded": False,
        "output_dir": "",
    }


def _make_file(path: str) -> None:
    """Make an empty file, if there is none, with the mode that SQLite also gives to the files beside it.

    An existing file is not opened: closing it would drop the locks of every connection that this process has to it. The
    lock keeps a second thread from connecting before the first has closed the new file.
    """
    try:
        with _making_file:
            Path(path).touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        pass
    except OSError as error:
        raise RegistryError(f"the journal {path} cannot be used: {error.strerror}") from error


def _submission_of(row: sqlite3.Row) -> Submission:
    return Submission(
        prompt_id=row["prompt_id"],
        server=row["server"],
        submitted_at=row["submitted_at"],
        graph=row["graph"],
        extra_data=row["extra_data"],
        note=row["note"],
        client=row["client"],
        front=bool(row["front"]),
        number=row["number"],
        stage=Stage(row["stage"]),
        end=End(row["ending"]) if row["ending"] is not None else None,
        ended_at=row["ended_at"],
        reason=row["reason"],
        is_ours=bool(row["is_ours"]),
        requeue=bool(row["requeue"]),
        batch_id=row["batch_id"],
        position=row["position"],
        graph_id=row["graph_id"],
        overrides=row["overrides"],
        started_at=row["started_at"],
        outputs=row["outputs"],
        overdue_s=row["overdue_s"],
        retried_as=row["retried_as"],
    )
