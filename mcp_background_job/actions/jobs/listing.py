"""The action that lists jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mcp_background_job.actions.arguments import several
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.listed import page
from mcp_background_job.actions.jobs.report import JobsResult
from mcp_background_job.actions.meant import Word, Words
from mcp_background_job.core.job import JobChoice
from mcp_background_job.core.states import STATUSES
from mcp_background_job.core.text import real_path
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager

_MAX_LIMIT = 200


@dataclass(frozen=True, kw_only=True)
class List:
    """The jobs to list."""

    status: Annotated[Words | None, Field(description=f"one or more of {', '.join(STATUSES)}")] = None
    name: Word | None = None
    all_projects: bool = False
    cwd: Annotated[str | None, Field(description="run there or below")] = None
    limit: int = 20
    cursor: int = 0


class Listing:
    """``list_jobs``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def list_jobs(self, caller: Caller, request: List) -> JobsResult:
        """List this project's jobs: running ones first, then newest first, those of earlier sessions too."""
        limit, cursor = request.limit, request.cursor
        if not 0 < limit <= _MAX_LIMIT or cursor < 0:
            raise InvalidRequestError(f"limit={limit}, cursor={cursor}: limit is 1 to {_MAX_LIMIT}, cursor from 0")
        choice = JobChoice(
            statuses=several(request.status),
            name=request.name,
            project=None if request.all_projects else caller.project,
            cwd=self._path(request.cwd),
        )
        return JobsResult(**vars(await page(self._manager, caller, choice, limit=limit, cursor=cursor)))

    def _path(self, cwd: str | None) -> str | None:
        """Return a directory in the form that jobs have it."""
        return real_path(cwd, self._manager.working_dir) if cwd else None
