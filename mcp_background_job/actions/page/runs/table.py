"""What pages ask for of runs, and can watch of them, in two tables."""

from __future__ import annotations

from typing import Any

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.runs.listed import runs_subject
from mcp_background_job.actions.page.runs.one import Transcripts, run_subject
from mcp_background_job.actions.page.subject import Subject


def runs_page_actions(house: House) -> list[Action[Any, Any]]:
    """Return what pages alone ask for of runs."""
    return [Action(Transcripts(house).run_before, Effects.LOOKS)]


def runs_subjects(house: House) -> list[Subject[Any]]:
    """Return what pages can watch of runs."""
    return [runs_subject(house), run_subject(Transcripts(house))]
