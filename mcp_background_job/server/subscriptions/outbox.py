"""The notices that one client has yet to receive: at most one for each thing that it follows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from mcp_background_job.core.wire import utf8

#: Method and parameters of a notification.
Notification = tuple[str, dict[str, Any]]


class Notice(Protocol):
    """That something has changed. It can be hashed, and two of one thing are equal."""

    async def notification(self) -> Notification | None:
        """Return how it is told: as things are now, when it is sent. ``None`` if there is nothing to tell any more."""
        ...


@dataclass(frozen=True)
class Updated:
    """A resource has changed; the client reads it again if it likes."""

    uri: str

    async def notification(self) -> Notification:
        return "notifications/resources/updated", {"uri": utf8(self.uri)}


@dataclass(frozen=True)
class ListChanged:
    """A list has changed: of ``tools``, ``prompts`` or ``resources``."""

    kind: str

    async def notification(self) -> Notification:
        return f"notifications/{self.kind}/list_changed", {}


class Outbox:
    """Notices for one client, in the order in which they were first put in."""

    def __init__(self) -> None:
        """Is empty."""
        self._pending: dict[Notice, None] = {}
        self._some = asyncio.Event()

    def __len__(self) -> int:
        """How many there are: no more than things that are followed."""
        return len(self._pending)

    def offer(self, notice: Notice) -> None:
        """Put a notice in, unless one about the same thing is waiting: its reader looks at the thing as it is then."""
        self._pending.setdefault(notice)
        self._some.set()

    def withdraw(self, notice: Notice) -> None:
        """Remove a notice that nobody wants any more."""
        self._pending.pop(notice, None)

    async def take(self) -> Notice:
        """Take out the oldest notice; waits for one."""
        while not self._pending:
            self._some.clear()
            await self._some.wait()
        oldest = next(iter(self._pending))
        del self._pending[oldest]
        return oldest
