"""The actions of pages on runs, and their subjects, in two tables."""

from __future__ import annotations

from typing import Any

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.runs.listed import runs_subject
from mcp_background_job.actions.page.runs.one import Transcripts, run_subject
from mcp_background_job.actions.page.subject import Subject


def runs_page_actions(house: House) -> list[Action[Any, Any]]:
    """Return the actions on runs that only pages use."""
    return [Action(Transcripts(house).run_before, Effects.LOOKS)]


def runs_subjects(house: House) -> list[Subject[Any]]:
    """Return the subjects for runs."""
    return [runs_subject(house), run_subject(Transcripts(house))]
