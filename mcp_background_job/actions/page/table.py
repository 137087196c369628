"""The actions that only pages use, in one table."""

from __future__ import annotations

from typing import Any

from mcp_background_job.actions.action import Action
from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.comfyui_table import comfyui_page_actions
from mcp_background_job.actions.page.jobs.table import jobs_page_actions
from mcp_background_job.actions.page.runs.table import runs_page_actions


def page_actions(house: House) -> list[Action[Any, Any]]:
    """Return all actions that only pages use."""
    return [*jobs_page_actions(house), *comfyui_page_actions(house), *runs_page_actions(house)]
