"""What a server serves, and who its callers are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.server.context import Callers
from mcp_background_job.server.fastmcp_names import get_context


@dataclass(frozen=True)
class Served:
    """Where things are, and who calls.

    Attributes:
        house: jobs, and ComfyUI and runs once they are asked for.
        callers: tells who calls.
        toolsets: those that are offered.
    """

    house: House
    callers: Callers
    toolsets: Collection[str]

    async def caller(self) -> Caller:
        """Return who makes the request that is being answered."""
        return await self.callers.caller_of(get_context())
