"""Reports on jobs: small flat objects for facts, plain text for output.

Fields without a value are left out of an answer, since every field costs tokens.
"""

from __future__ import annotations

import time
from typing import Any, Self

from pydantic import BaseModel, Field

from mcp_background_job.actions.jobs.facts import details_facts
from mcp_background_job.core.job import Job, has_more_to_tell
from mcp_background_job.core.states import State
from mcp_background_job.core.text import duration, iso, one_line, shortened, size
from mcp_background_job.jobs.details import Details

#: The most characters of a command in a status; and of a process's command; and the most processes.
_COMMAND_IN_STATUS = 2000
_COMMAND_OF_PROCESS = 120
_MAX_PROCESSES = 20


class RestartResult(BaseModel):
    """The fields that ``restart_job`` always returns; the others are those of ``JobResult``."""

    job_id: str
    status: str
    restarted_from: str


class JobResult(BaseModel):
    """One job, after an action on it."""

    endings: list[str] | None = Field(None, description="other jobs that ended meanwhile")
    job_id: str
    name: str | None = None
    status: str
    exit_code: int | None = Field(None, description="once it ended")
    signal: str | None = None
    reason: str | None = None
    why: str | None = Field(
        None, description="why the wait ended: exit, left_running, matched, failed_match, port, http, idle, timeout"
    )
    line: str | None = None
    line_s_ago: float | None = None
    so_far: str | None = None
    note: str | None = None
    pid: int | None = Field(None, description="of the command")
    output: str | None = Field(None, description="rendered, cut in the middle if long")
    next_cursor: int | None = None
    log_path: str | None = Field(None, description="all output, for grep")
    kept_from: int | None = None
    log_search: str | None = None
    restarted_from: str | None = None


class JobsResult(BaseModel):
    """Several jobs."""

    jobs: list[dict[str, Any]]
    next_cursor: int | None = None
    more: int | None = Field(default=None, description="more jobs that match")
    elsewhere: int | None = Field(default=None, description="those of other projects")
    note: str | None = None


class StatusResult(BaseModel):
    """Everything that is known of a job."""

    job_id: str
    name: str | None = None
    status: str
    exit_code: int | None = None
    signal: str | None = None
    reason: str | None = None
    note: str | None = None
    pid: int | None = None
    command: str
    cwd: str
    env_from: str | None = None
    parent: str | None = Field(None, description="job within which it was started")
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    cpu_s: float | None = None
    memory_mb: float | None = None
    peak_memory_mb: float | None = None
    usage_s_ago: float | None = None
    processes: list[str] | None = None
    ports: list[int] | None = None
    output_bytes: int
    dropped_bytes: int | None = None
    lost_bytes: int | None = None
    last_output_s_ago: float | None = None
    stop_requested: str | None = None
    log_path: str
    kept_from: int | None = None
    log_search: str | None = None


class StatusAnywhereResult(StatusResult):
    """Everything that is known of a job, if there are executors beside this machine."""

    engine: str | None = Field(None, description="where on the cluster")


class KillResult(BaseModel):
    """The result of a request to kill."""

    status: str
    job_id: str | None = None
    name: str | None = None
    asked: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    reason: str | None = None
    code: str | None = None
    processes: list[int] | None = None
    ended_with: list[dict[str, Any]] | None = Field(None, description="jobs that were started within it")


def job_result(job: Job, **values: Any) -> JobResult:
    """Return a job with further values."""
    return JobResult(
        job_id=job.job_id,
        name=job.name,
        status=job.status,
        exit_code=job.exit_code,
        signal=job.signal,
        reason=told_reason(job),
        **values,
    )


def told_reason(job: Job) -> str | None:
    """Return a job's reason unless status and exit code already say it."""
    return job.reason if has_more_to_tell(job) else None


def status_result(details: Details) -> StatusResult:
    """Return everything that is known of a job, in few words."""
    job, usage, known = details.job, details.usage, details_facts(details)
    engine = details.seen.engine
    kind, where = (StatusResult, {}) if engine is None else (StatusAnywhereResult, {"engine": engine})
    return kind(
        **where,
        job_id=job.job_id,
        name=job.name,
        status=job.status,
        exit_code=job.exit_code if job.exit_code is not None else _leader_exit_code(details),
        signal=job.signal,
        reason=told_reason(job),
        note=known["note"],
        pid=known["pid"],
        command=shortened(known["command"], _COMMAND_IN_STATUS),
        cwd=job.cwd,
        env_from=known["env_from"],
        parent=known["parent"],
        created_at=iso(job.created_at) or "",
        started_at=iso(job.started_at),
        ended_at=iso(job.ended_at),
        duration_s=_rounded(known["duration_s"], 3 if job.state is State.EXITED else 1),
        cpu_s=_rounded(known["cpu_s"], 2),
        memory_mb=_megabytes(known["memory_bytes"] or 0),
        peak_memory_mb=_megabytes(known["peak_memory_bytes"] or 0) or None,
        usage_s_ago=round(max(0.0, time.time() - usage.sampled_at), 1) if usage and usage.sampled_at else None,
        processes=_processes(known["processes"], usage.processes) if usage else None,
        ports=known["ports"] or None,
        output_bytes=known["output_bytes"],
        dropped_bytes=known["dropped_bytes"] or None,
        lost_bytes=known["lost_bytes"] or None,
        last_output_s_ago=round(time.time() - details.last_output_at, 1) if details.last_output_at else None,
        stop_requested=known["stop_requested"],
        log_path=known["log_path"],
        kept_from=known["kept_from"],
        log_search=known["log_search"],
    )


def _megabytes(size_in_bytes: int) -> float:
    return round(size_in_bytes / 1e6, 1)


def _rounded(seconds: float | None, digits: int) -> float | None:
    return None if seconds is None else round(seconds, digits)


def _leader_exit_code(details: Details) -> int | None:
    status = details.seen.status
    return status.leader_exit.exit_code if status and status.leader_exit else None


def _processes(processes: list[dict[str, Any]], count: int) -> list[str] | None:
    lines = [f"{one['pid']} {one_line(one['command'], _COMMAND_OF_PROCESS)}" for one in processes]
    more = max(len(lines), count) - _MAX_PROCESSES
    return [*lines[:_MAX_PROCESSES], f"and {more} more"] if lines and more > 0 else lines or None


class JobText(str):
    """Output of a job, below one line about the job.

    Attributes:
        job: the job as that line shows it.
    """

    __slots__ = ("job",)

    job: Job

    def __new__(cls, job: Job, output_bytes: int, text: str, place: str = "") -> Self:
        """Put a line above a text: the job, the size of its output (bytes), and the text's place in it."""
        told = super().__new__(cls, f"{_headline(job, output_bytes)}{place}\n{text}")
        told.job = job
        return told


def _headline(job: Job, output_bytes: int) -> str:
    if job.state is State.EXITED:
        end = "" if job.exit_code is None else f", exit {job.exit_code}"
        reason = told_reason(job)
        how = f"{job.status}{end}" + (f": {reason}" if reason else "")
    else:
        since = job.started_at or job.created_at
        how = f"{job.status} for {duration(time.time() - since)}"
    return f"[{job.label} {how}; {size(output_bytes)} of output]"
