"""The clients that have the list of tools and are notified when it changes: those of protocols until 2025-11-25."""

from __future__ import annotations

import asyncio
from weakref import WeakSet

from mcp_background_job.server.fastmcp_names import Connection, connection_to_tell


class Listed:
    """Their connections. Later protocols have no such notice but for those who listen for it."""

    def __init__(self) -> None:
        """Knows none."""
        self._connections: WeakSet[Connection] = WeakSet()
        self._telling: set[asyncio.Task[None]] = set()

    def note(self) -> None:
        """Note that the list is being sent to whoever asks."""
        if connection := connection_to_tell():
            self._connections.add(connection)

    def tell(self) -> None:
        """Tell them all that it has changed."""
        for connection in list(self._connections):
            # A client that does not read blocks this task alone.
            task = asyncio.create_task(connection.send_tool_list_changed())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
