"""Finds the endings that an answer itself shows, so that they are not reported a second time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_background_job.actions.action import Report
from mcp_background_job.actions.jobs.report import JobsResult, JobText
from mcp_background_job.comfyui.reports.batch_news import subject_of
from mcp_background_job.core.comfyui.batch import TERMINAL as OVER
from mcp_background_job.core.run import TERMINAL, RunStatus
from mcp_background_job.core.states import NOT_OVER, State

#: Statuses of runs that ask, and what shows what they ask: the status alone does not, which a run may have that has
#: just been started.
_ASKING = {RunStatus.INPUT_REQUIRED, RunStatus.AUTH_REQUIRED}
_QUESTIONS = ("pending_request", "events")


def shown_in(report: Report) -> set[str]:
    """Return the ids of jobs and runs whose end or question the answer itself shows.

    A job that the answer shows as running may have ended since; that end is still to be reported.
    """
    if isinstance(report, dict) and "batch_id" in report:
        return {subject_of(str(report["batch_id"]))} if report.get("status") in OVER else set()
    if isinstance(report, dict):
        return {row["run_id"] for row in report.get("runs", [report]) if "run_id" in row and _is_told(row)}
    if isinstance(report, JobText):
        return {report.job.job_id} if report.job.state is State.EXITED else set()
    if isinstance(report, JobsResult):
        runs = {row["run_id"] for row in report.jobs if "run_id" in row and _is_told(row)}
        jobs = [row for row in report.jobs if "run_id" not in row]
        return runs | {row["job_id"] for row in jobs if row["job_id"] and row["status"] not in NOT_OVER}
    shown = {getattr(report, "restarted_from", None)}
    if getattr(report, "status", None) not in NOT_OVER:
        shown.add(getattr(report, "job_id", None))
    return {job_id for job_id in shown if job_id}


def _is_told(row: Mapping[str, Any]) -> bool:
    """Tell whether what there is to tell of a run is in its row."""
    status = row.get("status")
    return status in TERMINAL or (status in _ASKING and any(row.get(field) for field in _QUESTIONS))
