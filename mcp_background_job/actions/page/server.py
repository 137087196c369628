"""Facts about the server that a page belongs to: the subject ``server``."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from mcp_background_job import __version__
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject


@dataclass(frozen=True, kw_only=True)
class Look:
    """A request without arguments."""


def server_subject(house: House) -> Subject[Look]:
    """Return the subject: the serving process and its project. It changes if another process takes over."""
    manager = house.manager
    cursor = [__version__, os.getpid()]

    async def look(caller: Caller, _request: Look, seen: Cursor) -> Seen | None:
        if seen == cursor:
            return None
        facts = {"version": __version__, "project": caller.project or None, "directory": str(manager.working_dir)}
        return Seen(cursor, facts)

    async def wait(_caller: Caller, _request: Look, seen: Cursor) -> None:
        if seen == cursor:
            await asyncio.Event().wait()

    return Subject("server", Look, look, wait)
