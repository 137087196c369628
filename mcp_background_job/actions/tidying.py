"""Removes what ended long ago: jobs with their output, and runs of agents with their events."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mcp_background_job.actions.opening import Opened
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager


async def prune(manager: JobManager, runs: Opened[RunManager], *, older_than_s: float | None = None) -> list[str]:
    """Remove jobs and runs that ended longer ago than this, or than the settings say; returns their ids."""
    removed: list[str] = []
    if await lanes.look(os.path.isdir, manager.state.runs):  # most need not load the modules for runs
        opened = await runs()
        await opened.recover()  # an agent's last output is only in the log of its job until it is read
        removed += await opened.prune(older_than_s=older_than_s)
    await manager.forget_tasks(older_than_s=older_than_s)
    return [*removed, *await manager.prune(older_than_s=older_than_s)]
