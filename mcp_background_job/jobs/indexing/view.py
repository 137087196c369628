"""Combines what the record, the runner and the kernel report about a job."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from functools import lru_cache

from mcp_background_job.core.clocks import begun_at
from mcp_background_job.core.job import Job
from mcp_background_job.core.output.harmless import shown
from mcp_background_job.core.states import State
from mcp_background_job.core.text import shortened
from mcp_background_job.jobdir import boot
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Exit, Spec, Status
from mcp_background_job.jobs.inherited.project import project_of

#: Names of the jobs that release 1.0.0 ran for itself: ComfyUI, and dispatchers of batches. They are of no project.
_OWN_OF_RELEASE_1 = re.compile(r"comfyui-\d+|batch-b[a-z0-9]{6}")

#: Characters of a command in the index, which lists read; some are megabytes. The spec has the whole.
_COMMAND = 2000


def job_of(spec: Spec) -> Job:
    """Return the job that a spec asks for, before anything is known of it."""
    return Job(
        job_id=spec.job_id,
        command=shortened(spec.command, _COMMAND),
        # Links may lead there, and jobs are chosen by where they are. On another machine it may be a home.
        cwd=os.path.realpath(spec.cwd) if os.path.isabs(spec.cwd) else spec.cwd,
        created_at=spec.created_at,
        state=State.QUEUED,
        name=spec.name and shown(spec.name),  # the file may be forged
        client=spec.client,
        project=_project_of(spec),
        reader=spec.reader,
        parent=spec.parent,
        is_own=spec.is_own,
        timeout_s=spec.timeout_s,
    )


def _project_of(spec: Spec) -> str:
    """Return a job's project. Release 1.0.0 records none: then it is that of where the job runs."""
    if spec.project is not None:
        return spec.project
    is_own = spec.name is not None and _OWN_OF_RELEASE_1.fullmatch(spec.name)
    return "" if is_own else _project_of_directory(spec.cwd)


#: Thousands of old jobs have run in a few directories.
_project_of_directory = lru_cache(256)(project_of)


def unrecorded(job_id: str, reason: str) -> Job:
    """Return a job whose spec cannot be read; it is listed, so that nobody thinks it never was."""
    return Job(job_id=job_id, command="", cwd="", created_at=0.0, state=State.QUEUED, reason=reason)


def started_at_of(status: Status) -> float | None:
    """Return when a job was started, by the clock as it is now: a jump of it must not count as time that passed."""
    if status.started_at is None or status.started_uptime is None or status.boot_id != boot.boot_id():
        return status.started_at
    return begun_at(status.started_at, passed_s=boot.uptime() - status.started_uptime, now=time.time())


def _started_at_of_ended(end: Exit) -> float | None:
    if end.started_at is None or end.duration_s is None:
        return end.started_at
    return begun_at(end.started_at, passed_s=end.duration_s, now=end.ended_at)


def observed(job: Job, seen: Observation) -> Job:
    """Return the job as it is now."""
    started_at = started_at_of(seen.status) if seen.status else job.started_at
    if seen.exit is None:
        return dataclasses.replace(job, state=seen.state, started_at=started_at, reason=seen.trouble or job.reason)
    end = seen.exit
    return dataclasses.replace(
        job,
        state=State.EXITED,
        outcome=seen.outcome,
        started_at=_started_at_of_ended(end) if end.started_at is not None else started_at,
        ended_at=end.ended_at,
        exit_code=end.exit_code,
        signal=end.signal,
        reason=end.reason,
    )
