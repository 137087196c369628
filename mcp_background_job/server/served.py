"""What a server serves, and to whom."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.opening import Opened
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.context import Callers
from mcp_background_job.server.fastmcp_names import get_context

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager
    from mcp_background_job.comfyui.control import ComfyUI


@dataclass(frozen=True)
class Served:
    """Where things are, and who calls.

    Attributes:
        manager: of jobs.
        comfyui: opens the control of ComfyUI.
        runs: opens the manager of runs.
        callers: tells who calls.
        toolsets: of which there is anything to be had.
    """

    manager: JobManager
    comfyui: Opened[ComfyUI]
    runs: Opened[RunManager]
    callers: Callers
    toolsets: Collection[str]

    async def caller(self) -> Caller:
        """Return who makes the request that is being answered."""
        return await self.callers.caller_of(get_context())
