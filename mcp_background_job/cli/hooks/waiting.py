"""Has a stop hook wait on the configured state directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from mcp_background_job.app import build
from mcp_background_job.cli.hooks.others import others
from mcp_background_job.config import Settings
from mcp_background_job.core.hooks import Heard
from mcp_background_job.core.news import Reader
from mcp_background_job.jobdir.tasks import TaskStore
from mcp_background_job.jobs.awaiting import Awaiting


def told(
    settings: Settings, readers: Sequence[Reader], said: Heard, *, is_wanted: Callable[[], bool], deadline: float
) -> list[str]:
    """Wait for news of what these readers await; see ``Awaiting.told``."""
    manager = build(settings)

    async def wait() -> list[str]:
        try:
            async with others(manager, settings) as found:
                awaiting = Awaiting(manager, found, TaskStore(manager.state.tasks), readers)
                return await awaiting.told(goes_on_by_hook=said.goes_on, is_wanted=is_wanted, deadline=deadline)
        finally:
            await manager.places.finish()
            await manager.inheritance.close()

    try:
        return asyncio.run(wait())
    finally:
        manager.close()
