"""A page of the list of jobs. Loads nothing heavy: the command line uses it like the tools."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.facts import duration_of
from mcp_background_job.core.job import Job, JobChoice, has_more_to_tell
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.text import command_on_one_line, one_line
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager

#: Characters of a command in a list.
_COMMAND = 80
#: Characters of a note in a list.
_NOTE = 160

#: These outcomes say by themselves why a job ended.
_SAYS_WHY = (Outcome.KILLED, Outcome.TIMED_OUT)

#: The most missing projects that a note names.
_MAX_GONE = 3


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A page of jobs, in the fields of tools and ``--json``.

    Attributes:
        jobs: one row each; fields without a value are left out.
        next_cursor: where the next page begins, if there is one.
        more: how many matching jobs are on further pages.
        elsewhere: how many jobs of other projects match too.
        note: further remarks.
    """

    jobs: list[dict[str, Any]]
    next_cursor: int | None
    more: int | None
    elsewhere: int | None
    note: str | None


async def page(manager: JobManager, caller: Caller, choice: JobChoice, *, limit: int, cursor: int = 0) -> Listed:
    """Return a page of the chosen jobs: first those that have not ended, then the others; each newest first."""
    jobs, counted = await manager.listed(choice, limit=limit, offset=cursor)
    behind = cursor + len(jobs)
    count, everywhere = max(behind, counted.meant), counted.everywhere
    notes, engines = await manager.remarks(jobs)
    now = time.time()
    silent = await lanes.look(_silences, manager, jobs, now)
    return Listed(
        jobs=[
            _row(job, now, silent.get(job.job_id), notes.get(job.job_id), engines.get(job.job_id), own=caller.project)
            for job in jobs
        ],
        next_cursor=behind if count > behind else None,
        more=(count - behind) or None,
        elsewhere=max(0, everywhere - count) or None,
        note="; ".join(filter(None, [*_notes(manager, choice), await _left_behind(manager, count, everywhere)]))
        or None,
    )


def _silences(manager: JobManager, jobs: list[Job], now: float) -> dict[str, float]:
    """Return how many seconds each running job has been silent."""
    running = [job for job in jobs if job.state is State.RUNNING]
    written = {job.job_id: manager.places.store_of(job.job_id).last_output_at(job.job_id) for job in running}
    return {job.job_id: now - (written[job.job_id] or job.started_at or job.created_at) for job in running}


def _notes(manager: JobManager, choice: JobChoice) -> list[str | None]:
    none = "you have no project: these are the jobs that belong to none" if choice.project == "" else None
    return [manager.index.filling, none]


async def _left_behind(manager: JobManager, count: int, everywhere: int) -> str | None:
    """Return a note for a caller that finds nothing: its project may have moved, and jobs stay with the old path."""
    if count or not everywhere:
        return None
    projects = await manager.index.projects()
    gone = await lanes.look(lambda: [one for one in projects if one.startswith("/") and not Path(one).is_dir()])
    if not gone:
        return None
    told = ", ".join(f"{project} ({projects[project]})" for project in gone[:_MAX_GONE])
    more = f" and {len(gone) - _MAX_GONE} more" if len(gone) > _MAX_GONE else ""
    return f"jobs of a moved project stay with its old path; these paths no longer exist: {told}{more}"


def _row(
    job: Job, now: float, silent_s: float | None, note: str | None, engine: str | None, *, own: str
) -> dict[str, Any]:
    """Return a job as one compact row; directory and project are left out if they are the caller's own."""
    told = note or (job.reason if job.outcome not in _SAYS_WHY and has_more_to_tell(job) else None)
    row = {
        "job_id": job.job_id,
        "name": job.name,
        "status": job.status,
        "exit_code": job.exit_code,
        "engine": engine,
        "parent": job.parent,
        "project": None if job.project == own else job.project,
        "cwd": None if job.cwd == own else job.cwd,
        "age_s": round(max(0.0, now - job.created_at), 1),
        "duration_s": duration_of(job, now),
        "deadline_s": None if job.state is State.EXITED else _left(job, now),
        "silent_s": None if silent_s is None else round(max(0.0, silent_s), 1),
        "note": told and one_line(told, _NOTE),
        "command": command_on_one_line(job.command, _COMMAND),
    }
    return {field: value for field, value in row.items() if value is not None}


def _left(job: Job, now: float) -> float | None:
    """Return the seconds until the job's time limit stops it."""
    if job.timeout_s is None or job.started_at is None:
        return None
    return round(max(0.0, job.started_at + job.timeout_s - now), 1)
