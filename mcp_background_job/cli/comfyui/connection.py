"""Gives a command the control of the configured ComfyUI, for as long as the command runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from mcp_background_job.app import build_comfyui
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.session import with_manager
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.config import load_comfyui_settings
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobs.manager import JobManager


def with_comfyui(use: Callable[[ComfyUI], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine function on the configured ComfyUI; returns the exit code it returns."""
    settings = load_comfyui_settings()

    async def to_the_end(manager: JobManager) -> int:
        comfyui = build_comfyui(manager, settings)
        try:
            return await use(comfyui)
        finally:
            await comfyui.close()

    try:
        return with_manager(to_the_end)
    except BackgroundJobError as error:  # not left to the caller, which does not know what to call the tools
        terminal.say(typed(str(error)))
        return exit_codes.of_error(error)
