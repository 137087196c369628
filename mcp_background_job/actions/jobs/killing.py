"""The action that stops jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.killed import Failed, all_of_project, fate_row, fates
from mcp_background_job.actions.jobs.report import JobsResult, KillResult
from mcp_background_job.actions.meant import Word
from mcp_background_job.errors import InvalidRequestError, UnknownJobError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.policy import GRACE_S


@dataclass(frozen=True, kw_only=True)
class Kill:
    """Jobs to be stopped."""

    job_id: Annotated[Word | list[Word] | None, Field(description="id or name, or several")] = None
    all_of_project: bool = False
    signal: Annotated[str | None, Field(description="default TERM")] = None
    signal_only: Annotated[bool | None, Field(description="send HUP, USR1, STOP, CONT …, and stop nothing")] = None
    grace_s: Annotated[float, Field(description="until SIGKILL")] = GRACE_S


class Killing:
    """``kill_job``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes what it works on."""
        self._manager = manager

    async def kill_job(self, caller: Caller, request: Kill) -> KillResult | JobsResult:
        """Stop jobs and every process that they started, those in the background too. Returns when all are dead."""
        if request.all_of_project == (request.job_id is not None):
            raise InvalidRequestError("say what to kill: job_id, or all_of_project=true for all jobs of this project")
        if request.job_id == []:
            raise InvalidRequestError("job_id is an empty list: name at least one job")
        asked = request.job_id if request.job_id is not None else await all_of_project(self._manager, caller.project)
        references = [asked] if isinstance(asked, str) else asked
        killing = fates(
            self._manager,
            caller,
            references,
            signal=request.signal,
            grace_s=request.grace_s,
            signal_only=request.signal_only,
        )
        became = await caller.wait_for(killing, f"stopping {', '.join(references)}", request.grace_s)
        if not isinstance(asked, str):
            return JobsResult(jobs=[fate_row(reference, fate) for reference, fate in became.items()])
        fate = became[asked]
        if isinstance(fate, Failed) and not isinstance(fate.error, UnknownJobError):
            raise fate.error
        return KillResult(**fate_row(asked, fate))
