"""The operations on sessions: begin, list, show, add prompts, and export to or import from a file."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from mcp_background_job.core import naming
from mcp_background_job.core.comfyui.session import Session, Tracked
from mcp_background_job.errors import InvalidRequestError, UnknownSessionError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.sessions import SqliteSessions

_ID = re.compile("s[0-9a-f]{8}")

#: Characters of a name, since it appears in tables.
_MAX_NAME = 100


@dataclass(frozen=True)
class SessionRow:
    """A session in a list.

    Attributes:
        session: the session.
        prompts: how many prompts it tracks.
        downloaded: for how many of them all files were downloaded.
        is_current: whether submissions are tracked in it now.
        is_elsewhere: whether it belongs to another project.
    """

    session: Session
    prompts: int
    downloaded: int
    is_current: bool
    is_elsewhere: bool = False


@dataclass(frozen=True)
class SessionList:
    """Sessions, and the number of sessions of other projects that are left out."""

    rows: tuple[SessionRow, ...]
    elsewhere: int


class Sessions:
    """The sessions, from the view of a directory."""

    def __init__(self, sessions: SqliteSessions) -> None:
        """Takes the table of sessions."""
        self._sessions = sessions

    async def current(self, directory: str) -> Session:
        """Return the session in which submissions from a directory are tracked; one is created if necessary."""
        found = await lanes.journal(self._sessions.current, directory)
        return found or await self.new("", directory)

    async def new(self, name: str, directory: str) -> Session:
        """Begin a session, in which submissions from a directory are tracked from now on."""
        name = check_name(name) if name else PurePath(directory).name or "session"
        session = Session(session_id=_new_id(), name=name, created_at=time.time(), directory=directory)
        await lanes.journal(self._sessions.create, session)
        return session

    async def find(self, reference: str | None, directory: str, *, changes: bool = False) -> Session:
        """Return a session by id or name; without one, the current session of the directory.

        A name belongs to its directory, as a job's name belongs to a project; ``changes``: to add something to the
        session.

        Raises:
            UnknownSessionError: there is none.
            AmbiguousNameError: several directories have the name, and this one has not.
            ForeignNameError: another directory has the name, and the session is to be changed.
        """
        if not reference:
            return await self.current(directory)
        asker = naming.Asker(directory, changes=changes)
        found = await lanes.journal(self._sessions.get, reference)
        found = found or await self._named(naming.Reference(None, reference), asker)
        found = found or await self._named(naming.reference_of(reference), asker)
        if found is None:
            newest = ", ".join(row.session.name for row in (await self.list(directory, limit=5)).rows)
            hint = f"the newest are {newest}" if newest else "there are none yet"
            raise UnknownSessionError(f"there is no session {reference!r}; {hint}")
        return found

    async def _named(self, reference: naming.Reference, asker: naming.Asker) -> Session | None:
        named = await lanes.journal(self._sessions.named, reference.name)
        newest = {session.directory: session for session in named}
        candidates = [naming.Named(session.session_id, place) for place, session in newest.items()]
        meant = naming.chosen(reference, candidates, asker)
        return newest[meant.project] if meant else None

    async def list(self, directory: str, project: str = "", *, limit: int, all_projects: bool = False) -> SessionList:
        """Return the sessions of a directory and its project, or of all, newest first."""
        current = await lanes.journal(self._sessions.current, directory)
        ours = await lanes.journal(self._sessions.newest, limit, directory=directory, project=project)
        newest = await lanes.journal(self._sessions.newest, limit) if all_projects else ours
        known = {session.session_id for session, *_ in ours}
        rows = [
            SessionRow(session, prompts, downloaded, session == current, session.session_id not in known)
            for session, prompts, downloaded in newest
        ]
        elsewhere = 0 if all_projects else await lanes.journal(self._sessions.elsewhere, directory, project)
        return SessionList(tuple(rows), elsewhere)

    async def track(self, session: Session, prompt_id: str, note: str = "") -> Tracked:
        """Add a prompt to a session, whoever submitted it; a note replaces its former note there."""
        tracked = Tracked(prompt_id=prompt_id, queued_at=time.time(), note=note)
        await lanes.journal(self._sessions.track, session.session_id, [tracked])
        return tracked

    async def tracked_in(self, session: Session) -> list[Tracked]:
        """Return the prompts of a session, in the order in which they were queued."""
        return await lanes.journal(self._sessions.tracked_in, session.session_id)

    async def take_in(self, session: Session, tracked: list[Tracked]) -> Session:
        """Add a session that was read from a file, under a new id if its own is taken."""
        if await lanes.journal(self._sessions.get, session.session_id):
            session = Session(
                session_id=_new_id(), name=session.name, created_at=session.created_at, directory=session.directory
            )
        await lanes.journal(self._sessions.create, session, tracked)
        return session

    async def is_known(self, session: Session) -> bool:
        """Tell whether a session that was read from a file exists here, by its id and its beginning."""
        known = await lanes.journal(self._sessions.get, session.session_id)
        return known is not None and known.created_at == session.created_at

    async def note_downloads(self, places: Mapping[str, str]) -> None:
        """Record, wherever prompts are tracked, that their outputs were downloaded, and the directories."""
        await lanes.journal(self._sessions.note_downloads, places)


def check_name(name: str) -> str:
    """Return the name of a session.

    Raises:
        InvalidRequestError: a table cannot show it, or it has the form of an id.
    """
    if _ID.fullmatch(name.strip()):
        raise InvalidRequestError(f"name {name!r} cannot be used: it has the form of a session's id; give another")
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidRequestError(f"name {name!r:.120} cannot be used: 1 to {_MAX_NAME} printable characters")
    return name.strip()


def _new_id() -> str:
    return f"s{secrets.token_hex(4)}"
