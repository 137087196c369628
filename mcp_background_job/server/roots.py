"""Asks a client which directory it works on, if the server was started outside its projects."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

from mcp_background_job.executors import lanes
from mcp_background_job.jobs.inherited.project import project_of
from mcp_background_job.server.fastmcp_names import Connection, Context, MCPError, connection_of, first_root

_log = logging.getLogger(__name__)

#: A client answers at once, or never: some offer roots and have nobody who tells them.
_ANSWER_S = 2.0


class Roots:
    """Projects of clients; each connection is asked once."""

    def __init__(self) -> None:
        """Knows none yet."""
        self._known: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()

    async def project(self, context: Context) -> str:
        """Return the project of the client's first root; empty if it offers none."""
        connection = connection_of(context)
        if connection not in self._known:
            self._known[connection] = await self._asked(context)
        return self._known[connection]

    async def _asked(self, context: Context) -> str:
        try:
            uri = await asyncio.wait_for(first_root(context), _ANSWER_S)
        except (MCPError, TimeoutError, ValueError) as error:
            _log.warning("the client does not tell its roots: %s", str(error) or "no answer")
            return ""
        return await lanes.look(project_of, unquote(urlsplit(uri).path)) if uri else ""
