"""News of what is not a job, runs and batches, for a command; what takes long to load is loaded for what there is."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from mcp_background_job.actions.door import Door
from mcp_background_job.agents.news import RunNews
from mcp_background_job.app import build_comfyui, build_runs
from mcp_background_job.comfyui.reports.batch_news import BatchNews
from mcp_background_job.config import Settings, load_comfyui_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import Several


@contextlib.asynccontextmanager
async def others(manager: JobManager, settings: Settings) -> AsyncGenerator[Several]:
    """Give out what looks at runs and batches of the manager's state directory."""
    runs = Door(lambda: build_runs(manager, settings))
    comfyui = Door(lambda: build_comfyui(manager, load_comfyui_settings()))
    try:
        yield Several(RunNews(runs.open), BatchNews(comfyui.open))
    finally:
        await runs.close()
        await comfyui.close()
