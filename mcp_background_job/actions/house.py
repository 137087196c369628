"""The objects that actions work on: jobs, and ComfyUI and runs once they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.door import Door
from mcp_background_job.actions.opening import Opened
from mcp_background_job.app import build_comfyui, build_runs
from mcp_background_job.config import Settings, load_comfyui_settings
from mcp_background_job.core.values import frozen
from mcp_background_job.jobs.manager import JobManager

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager
    from mcp_background_job.comfyui.control import ComfyUI


@frozen
class House:
    """The objects that actions work on.

    Attributes:
        manager: the manager of jobs.
        comfyui: opens the control of ComfyUI.
        runs: opens the manager of runs.
        doors: the doors that ``close`` closes.
    """

    manager: JobManager
    comfyui: Opened[ComfyUI]
    runs: Opened[RunManager]
    doors: tuple[Door[Any], ...] = ()

    @classmethod
    def of(cls, manager: JobManager, settings: Settings) -> House:
        """Return the house of a manager; ComfyUI and runs are made when they are first needed."""
        comfyui = Door(lambda: build_comfyui(manager, load_comfyui_settings()))
        runs = Door(lambda: build_runs(manager, settings))
        return cls(manager, comfyui.open, runs.open, (comfyui, runs))

    async def close(self) -> None:
        """Close everything that was opened, except the manager."""
        for door in self.doors:
            await door.close()
