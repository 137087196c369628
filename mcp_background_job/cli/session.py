"""Gives a command its manager, for as long as the command runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager

#: Who asks, in the records of jobs that are started and stopped from here.
CLIENT = "cli"


def with_manager(use: Callable[[JobManager], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine function on the manager of the configured state directory; returns the exit code it returns."""
    manager = build(load_settings())

    async def to_the_end() -> int:
        try:
            return await use(manager)
        finally:
            await manager.executor.finish()  # a sweep that was begun on the way

    try:
        return asyncio.run(to_the_end())
    finally:
        manager.close()
