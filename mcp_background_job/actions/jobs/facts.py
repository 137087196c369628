"""The facts about jobs, complete and under stable field names: ``--json`` prints them, and pages show them.

The results of tools (``report``) are made from them, in fewer words.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.records import StopRequest
from mcp_background_job.jobs.manager import JobManager

if TYPE_CHECKING:
    from mcp_background_job.jobs.details import Details


def iso(moment: float | None) -> str | None:
    """Return a moment in UTC."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def job_facts(job: Job, *, pid: int | None, log_path: str) -> dict[str, Any]:
    """Return the facts that every command prints about a job."""
    return {
        "job_id": job.job_id,
        "name": job.name,
        "status": job.status,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "reason": job.reason or None,
        "pid": pid,
        "command": job.command,
        "cwd": job.cwd,
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at),
        "ended_at": iso(job.ended_at),
        "log_path": log_path,
    }


async def several(manager: JobManager, jobs: list[Job]) -> list[dict[str, Any]]:
    """Return the facts about several jobs; the pids of live ones are read from their directories."""
    live = [job.job_id for job in jobs if job.state is not State.EXITED]
    seen = await lanes.look(manager.places.look, live)
    pids = {job_id: found.status.pid for job_id, found in seen.items() if found.status}
    return [
        job_facts(job, pid=pids.get(job.job_id), log_path=manager.places.store_of(job.job_id).log_path(job.job_id))
        for job in jobs
    ]


def log_facts(log_path: str, kept_from: int) -> dict[str, Any]:
    """Return where a log is, the first byte that is kept if its beginning was dropped, and how to search it."""
    from mcp_background_job.core.output.gaps import way_to_search  # noqa: PLC0415  a list of jobs does without

    return {"log_path": log_path, "kept_from": kept_from or None, "log_search": way_to_search(log_path, kept_from)}


async def one(manager: JobManager, job: Job) -> dict[str, Any]:
    """Return the facts about one job."""
    return (await several(manager, [job]))[0]


def details_facts(details: Details) -> dict[str, Any]:
    """Return everything that is known of a job."""
    job, status = details.job, details.seen.status
    pid = status.pid if status and job.state is not State.EXITED else None
    return {
        **job_facts(job, pid=pid, log_path=details.log_path),
        **({"engine": details.seen.engine} if details.seen.engine else {}),
        "command": details.spec.command if details.spec else job.command,
        **log_facts(details.log_path, details.kept_from),
        "note": details.note,
        "stop_requested": _stop(details),
        "duration_s": _duration(details),
        **_asked(details),
        **_used(details),
        **_written(details),
    }


def duration_of(job: Job, now: float) -> float | None:
    """Return how long a job has run or did run (seconds), ``None`` if it never did."""
    if job.started_at is None or (job.state is State.EXITED and job.ended_at is None):
        return None
    return round(max(0.0, (job.ended_at or now) - job.started_at), 3)


def _duration(details: Details) -> float | None:
    end = details.seen.exit
    if end and end.duration_s is not None:  # measured by a clock that cannot be set
        return round(end.duration_s, 3)
    return duration_of(details.job, time.time())


def _asked(details: Details) -> dict[str, Any]:
    spec = details.spec
    return {
        "stdin": spec.stdin if spec else None,
        "env_from": (spec.env_from or None) if spec else None,
        "timeout_s": spec.timeout_s if spec else None,
        "after": spec.after if spec else [],
        "client": details.job.client or None,
        "restarted_from": spec.restarted_from if spec else None,
        "parent": details.job.parent,
    }


def _used(details: Details) -> dict[str, Any]:
    usage, end = details.usage, details.seen.exit
    if usage:
        processes = [{"pid": pid, "command": command} for pid, command in usage.commands.items()]
        return {
            "cpu_s": usage.cpu_s,
            "memory_bytes": usage.memory,
            "peak_memory_bytes": usage.peak_memory or None,
            "usage_at": iso(usage.sampled_at),
            "ports": usage.ports,
            "processes": processes,
        }
    return {
        "cpu_s": end.user_s + end.system_s if end else None,
        "memory_bytes": end.max_rss if end else None,
        "peak_memory_bytes": (end.peak_memory or None) if end else None,
        "usage_at": None,
        "ports": [],
        "processes": [],
    }


def _written(details: Details) -> dict[str, Any]:
    end, status = details.seen.exit, details.seen.status
    return {
        "output_bytes": details.output_bytes,
        "dropped_bytes": end.dropped_bytes if end else details.kept_from,
        "lost_bytes": end.lost_bytes if end else status.lost_bytes if status else 0,
        "last_output_at": iso(details.last_output_at),
    }


def _stop(details: Details) -> str | None:
    end, status = details.seen.exit, details.seen.status
    stop: StopRequest | None = end.stop_requested if end else status.stop_requested if status else None
    return f"{stop.signal} by {stop.by}: {stop.why}" if stop else None
