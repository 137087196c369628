"""Who asks: made by a carrier, at its edge, and passed to every action."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from mcp_background_job.core.naming import Asker
from mcp_background_job.core.news import Reader

Result = TypeVar("Result")

#: Is told how long something has been waited for, how long it will be at most (seconds), and what it is.
Progress = Callable[[float, float, str], Awaitable[None]]

#: Clients that watch for silence allow minutes; a person who looks on likes to see something sooner.
PROGRESS_INTERVAL_S = 5.0


async def nobody(waited_s: float, limit_s: float, what: str) -> None:
    """Take progress that nobody looks at."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks for something.

    Attributes:
        client: as it is recorded with what it starts and stops, and known again after a restart.
        directory: where it works, for paths that are relative.
        project: that it works for, a directory or a name; empty if it has none.
        reader: who is to be told of what it starts: the client, its project and, where known, its conversation.
        progress: is told while the caller waits.
        is_patient: it waits as long as it asked for, and reads lists of any length, as a person at a terminal does. A
            client of MCP gives a call about a minute, and a model pays for each line.
        takes_later: it need not be told that work goes on: it can be told later how that ended, see ``actions.later``.
    """

    client: str
    directory: str
    project: str
    reader: Reader
    progress: Progress = nobody
    is_patient: bool = False
    takes_later: bool = False

    def at_most(self, limit: float) -> float:
        """Return a limit for waits (seconds) or lists (lines), which does not hold for who is patient."""
        return math.inf if self.is_patient else limit

    @property
    def looks(self) -> Asker:
        """Who asks for what it only looks at, or waits for."""
        return Asker(self.project)

    @property
    def changes(self) -> Asker:
        """Who asks for what it ends, starts again or talks to."""
        return Asker(self.project, changes=True)

    async def wait_for(self, work: Awaitable[Result], what: str | Callable[[], str], limit_s: float) -> Result:
        """Await something, telling the caller meanwhile that it is under way. If the caller cancels, so is the work."""
        task = asyncio.ensure_future(work)
        began = time.monotonic()
        try:
            while True:
                done, _ = await asyncio.wait({task}, timeout=PROGRESS_INTERVAL_S)
                if done:
                    return task.result()
                await self.progress(time.monotonic() - began, limit_s, what if isinstance(what, str) else what())
        finally:
            task.cancel()
