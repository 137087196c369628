"""What jobs inherit: the environment of this process, and of the user's login shell where that has to be asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from mcp_background_job.core.values import frozen
from mcp_background_job.executors import looping
from mcp_background_job.jobs.inherited.environment import completed

if TYPE_CHECKING:
    import asyncio

#: The first job waits so long for the login shell; most have answered by then, since they are asked at the start.
PATIENCE_S = 1.0

#: Where an environment comes from, in the words of a status.
OURS = "server"

Ask = Callable[[], Awaitable[Mapping[str, str] | None]]


@frozen
class Inherited:
    """An environment for a job.

    Attributes:
        variables: all of it.
        source: where it comes from.
        note: what may surprise the caller about it.
    """

    variables: Mapping[str, str]
    source: str = OURS
    note: str | None = None


class Inheritance:
    """Knows what jobs inherit."""

    def __init__(self, own: Mapping[str, str], ask: Ask | None = None, *, login_shell: str = "") -> None:
        """Takes the environment of this process, and what asks the login shell of this name, if that is to be asked."""
        self.own = own
        self._ask = ask
        self._shell = login_shell
        self._asking: asyncio.Future[Mapping[str, str] | None] | None = None
        self._patience_ends: float | None = None
        self._failure_is_told = False

    def begin(self) -> None:
        """Ask the login shell in the background, once."""
        if self._ask is not None and self._asking is None:
            import asyncio  # noqa: PLC0415  see ``looping``

            self._asking = asyncio.ensure_future(self._ask())

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None and not self._asking.done():
            import asyncio  # noqa: PLC0415  see ``looping``

            self._asking.cancel()
            await asyncio.wait({self._asking})

    @property
    def known(self) -> Mapping[str, str]:
        """All that a job would inherit, as far as it is known already; does not ask."""
        login = None
        if self._asking is not None and self._asking.done() and not self._asking.cancelled():
            login = self._asking.result()
        return self.own if login is None else completed(self.own, login)

    async def get(self) -> Inherited:
        """Return what a job inherits now, waiting a little for the login shell."""
        if self._ask is not None:
            await looping.needed()
            self.begin()
        if self._asking is None:
            return Inherited(self.own)
        now = time.monotonic()
        if self._patience_ends is None:
            self._patience_ends = now + PATIENCE_S
        import asyncio  # noqa: PLC0415  see ``looping``

        await asyncio.wait({self._asking}, timeout=max(0.0, self._patience_ends - now))
        if not self._asking.done():
            return self._without("has not answered yet", "restart_job gives the job the rest once it has")
        login = self._asking.result()
        if login is not None:
            return Inherited(completed(self.own, login), f"{OURS} and {self._shell}")
        if self._failure_is_told:
            return Inherited(self.own, f"{OURS}; {self._shell} did not answer")
        self._failure_is_told = True
        return self._without("did not answer", "a profile may hang; MCP_BG_LOGIN_ENV=never stops the asking")

    def _without(self, what: str, way: str) -> Inherited:
        note = f"the login shell {self._shell} {what}, so the job has the server's PATH and environment alone; {way}"
        return Inherited(self.own, f"{OURS}; {self._shell} {what}", note)
