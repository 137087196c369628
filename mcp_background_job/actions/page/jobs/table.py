"""The actions of pages on jobs, and their subjects, in one table."""

from __future__ import annotations

from typing import Any

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.jobs.curves import curve_subject
from mcp_background_job.actions.page.jobs.following import following_subjects
from mcp_background_job.actions.page.jobs.listed import jobs_subject
from mcp_background_job.actions.page.jobs.log import Logs
from mcp_background_job.actions.page.jobs.machine import Machines, machine_subject
from mcp_background_job.actions.page.jobs.one import job_subjects
from mcp_background_job.actions.page.jobs.search import Searching
from mcp_background_job.actions.page.subject import Subject


def jobs_page_actions(house: House) -> list[Action[Any, Any]]:
    """Return the actions on jobs that only pages use."""
    manager = house.manager
    searching = Searching(manager)
    return [
        Action(Logs(manager).log_window, Effects.LOOKS),
        Action(searching.search_log, Effects.LOOKS),
        Action(searching.search_logs, Effects.LOOKS),
    ]


def jobs_subjects(house: House) -> list[Subject[Any]]:
    """Return the subjects for jobs, and for the machine that they run on."""
    manager = house.manager
    machines = Machines(manager.state.path)
    return [
        jobs_subject(manager, machines),
        *job_subjects(manager),
        *following_subjects(manager),
        curve_subject(manager, machines),
        machine_subject(machines),
    ]
