"""All subjects that pages can watch, in one table."""

from __future__ import annotations

from typing import Any

from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.comfyui_table import comfyui_subjects
from mcp_background_job.actions.page.jobs.table import jobs_subjects
from mcp_background_job.actions.page.runs.table import runs_subjects
from mcp_background_job.actions.page.server import server_subject
from mcp_background_job.actions.page.subject import Subject


def page_subjects(house: House) -> list[Subject[Any]]:
    """Return all subjects."""
    return [server_subject(house), *jobs_subjects(house), *comfyui_subjects(house), *runs_subjects(house)]
