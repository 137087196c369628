"""Sessions and the prompts that they track, in the database of the journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from mcp_background_job.core.comfyui.session import Session, Tracked
from mcp_background_job.core.comfyui.submission import End, Submission
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.journal import submissions
from mcp_background_job.registry.text import storable

#: Every word that a submission can be listed as; see the column of that name.
_LISTED_AS = ("open", "pending", *End, "not_sent")

#: A look at this many prompts, one by one, takes 5 ms.
_FEW = 2000


class SqliteSessions:
    """The sessions of all directories. Any thread may call any method, each of which raises RegistryError."""

    def __init__(self, database: Database) -> None:
        """Takes the journal's database."""
        self._database = database

    def create(self, session: Session, tracked: Iterable[Tracked] = ()) -> None:
        """Add a session, which becomes the current one of its directory if it is the newest there."""
        with self._database.writing() as write:
            write("new_session", [_stored(vars(session))])
            write("track", [_stored({"session_id": session.session_id, **vars(one)}) for one in tracked])

    def get(self, session_id: str) -> Session | None:
        """Return the session with this id."""
        return next(iter(self._sessions("session", session_id=storable(session_id))), None)

    def named(self, name: str) -> list[Session]:
        """Return the sessions with this name, the newest last."""
        return self._sessions("sessions_named", name=storable(name))

    def current(self, directory: str) -> Session | None:
        """Return the newest session of a directory."""
        return next(iter(self._sessions("current_session", directory=storable(directory))), None)

    def newest(self, limit: int, *, directory: str | None = None, project: str = "") -> list[tuple[Session, int, int]]:
        """Return sessions with the numbers of their prompts, and of those that are downloaded; newest first.

        With a directory, only its sessions and those of directories below a project.
        """
        place = None if directory is None else storable(directory)
        rows = self._database.rows("newest_sessions", limit=limit, directory=place, project=storable(project))
        return [(_session_of(row), int(row["prompts"]), int(row["downloaded"])) for row in rows]

    def elsewhere(self, directory: str, project: str) -> int:
        """Return how many sessions belong neither to a directory nor to one below a project."""
        rows = self._database.rows("sessions_elsewhere", directory=storable(directory), project=storable(project))
        return int(rows[0]["sessions"])

    def track(self, session_id: str, tracked: Iterable[Tracked]) -> None:
        """Add prompts to a session; if it tracks one already, a new note or output directory replaces the old one."""
        with self._database.writing() as write:
            write("track", [_stored({"session_id": session_id, **vars(one)}) for one in tracked])

    def tracked_in(self, session_id: str) -> list[Tracked]:
        """Return the prompts of a session, in the order in which they were queued."""
        return [_tracked_of(row) for row in self._database.rows("tracked_in", session_id=session_id)]

    def strangers(self, session_id: str, limit: int) -> list[str]:
        """Return prompts that a session tracks but that were not submitted here, newest first."""
        rows = self._database.rows("strangers", session_id=session_id, limit=limit)
        return [row["prompt_id"] for row in rows]

    def note_downloads(self, places: Mapping[str, str]) -> None:
        """Note in every session that tracks these prompts that their outputs were downloaded, and where to."""
        rows = [_stored({"prompt_id": prompt_id, "output_dir": place}) for prompt_id, place in places.items()]
        with self._database.writing() as write:
            write("note_download", rows)

    def prompts(
        self, server: str, *, statuses: Collection[str] = (), batch_id: str | None, session_id: str | None, limit: int
    ) -> list[Submission]:
        """Return submissions without their graphs: first those without an end, as they will run, then the newest.

        Args:
            server: its base URL.
            statuses: ends, ``pending`` for prompts that wait for their turn here, ``open`` for prompts that were sent;
                empty for all.
            batch_id: only prompts of this batch, which is the server's.
            session_id: only prompts that this session tracks.
            limit: the largest number.
        """
        values: dict[str, Any] = {
            "statuses": json.dumps([*(statuses or _LISTED_AS)]),
            "session_id": session_id,
            "limit": limit,
        }
        if batch_id is not None:
            return submissions(self._database, "page_of_batch", batch_id=batch_id, **values)
        query = "page_of_session" if session_id is not None and self._tracks_few(session_id) else "page"
        return submissions(self._database, query, server=storable(server), **values)

    def _tracks_few(self, session_id: str) -> bool:
        rows = self._database.rows("tracks_more_than", session_id=session_id, number=_FEW)
        return not rows[0]["more"]

    def _sessions(self, query: str, **values: object) -> list[Session]:
        return [_session_of(row) for row in self._database.rows(query, **values)]


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}


def _session_of(row: sqlite3.Row) -> Session:
    return Session(
        session_id=row["session_id"], name=row["name"], created_at=row["created_at"], directory=row["directory"]
    )


def _tracked_of(row: sqlite3.Row) -> Tracked:
    return Tracked(
        prompt_id=row["prompt_id"],
        queued_at=row["queued_at"],
        note=row["note"],
        downloaded=bool(row["downloaded"]),
        output_dir=row["output_dir"],
    )
