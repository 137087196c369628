"""The newest jobs and runs, as a list of resources shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_background_job.core.job import JobChoice
from mcp_background_job.core.text import command_on_one_line
from mcp_background_job.core.wire import utf8
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.addresses import Kind
from mcp_background_job.server.fastmcp_names import Resource

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager

#: Characters of a command.
_COMMAND = 80

_JSON = "application/json"


async def recent_jobs(manager: JobManager, project: str, limit: int) -> list[Resource]:
    """Return jobs of a project: those that have not ended first, then newest first. A run's job is not among them."""
    jobs = await manager.list(JobChoice(project=project), limit=limit)
    runs = await manager.runs_among(jobs)
    return [
        _resource(Kind.JOB, job.job_id, job.name, f"{job.status}: {command_on_one_line(job.command, _COMMAND)}")
        for job in jobs
        if job.job_id not in runs
    ]


async def recent_runs(runs: RunManager, project: str, limit: int) -> list[Resource]:
    """Return runs of a project, newest first."""
    return [
        _resource(Kind.RUN, row.run_id, row.agent_name, f"{row.status or 'not over'}: {row.backend} in {row.cwd}")
        for row in await runs.newest(project, limit)
    ]


def _resource(kind: Kind, item_id: str, name: str | None, about: str) -> Resource:
    return Resource(
        uri=kind.uri_of(item_id),  # pyright: ignore[reportArgumentType]  pydantic makes a URL of it
        name=utf8(name or item_id),
        description=utf8(about),
        mime_type=_JSON,
    )
