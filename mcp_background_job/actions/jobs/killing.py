"""The action that stops jobs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mcp_background_job.actions.caller import Caller, Question
from mcp_background_job.actions.jobs.killed import Failed, all_of_project, fate_row, fates
from mcp_background_job.actions.jobs.report import JobsResult, KillResult
from mcp_background_job.actions.meant import Word
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.text import command_on_one_line
from mcp_background_job.errors import BackgroundJobError, InvalidRequestError, UnknownJobError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.policy import GRACE_S
from mcp_background_job.jobs.request import signal_to_send

#: The most jobs that a question to a person names, and the characters of each command.
_MAX_TOLD = 5
_COMMAND = 60


@dataclass(frozen=True, kw_only=True)
class Kill:
    """Jobs to stop."""

    job_id: Annotated[Word | list[Word] | None, Field(description="id or name, or several")] = None
    all_of_project: bool = False
    signal: Annotated[str | None, Field(description="default TERM")] = None
    signal_only: Annotated[bool | None, Field(description="send HUP, USR1, STOP, CONT …, and stop nothing")] = None
    grace_s: Annotated[float, Field(description="until SIGKILL")] = GRACE_S


class Killing:
    """``kill_job``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def kill_job(self, caller: Caller, request: Kill) -> KillResult | JobsResult:
        """Stop jobs and every process that they started, those in the background too. Returns when all are dead."""
        if request.all_of_project == (request.job_id is not None):
            raise InvalidRequestError("say what to kill: job_id, or all_of_project=true for all jobs of this project")
        if request.job_id == []:
            raise InvalidRequestError("job_id is an empty list: name at least one job")
        asked = request.job_id if request.job_id is not None else await all_of_project(self._manager, caller.project)
        references = [asked] if isinstance(asked, str) else asked
        if len(set(references)) > 1 and signal_to_send(request.signal, signal_only=request.signal_only) is None:
            references = await self._agreed(caller, references)
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

    async def _agreed(self, caller: Caller, references: list[str]) -> list[str]:
        """Get a person's consent to end several jobs; returns ids, since a name may mean another job later."""
        if not caller.asks_about("kill_jobs"):
            return references
        meant: dict[str, Job] = {}
        for reference in references:
            with contextlib.suppress(BackgroundJobError):  # an unknown job reports that itself
                meant[reference] = await self._manager.find(reference, caller.changes)
        alive = {job.job_id: job for job in meant.values() if job.state is not State.EXITED}
        if len(alive) > 1:
            shown = [_told(job) for job in list(alive.values())[:_MAX_TOLD]]
            more = [f"{len(alive) - _MAX_TOLD} more"] if len(alive) > _MAX_TOLD else []
            text = f"Kill {len(alive)} jobs: {', '.join([*shown, *more])}?"
            await caller.agree(Question(matter="kill_jobs", text=text, about=frozenset(alive)))
        return [meant[reference].job_id if reference in meant else reference for reference in references]


def _told(job: Job) -> str:
    return f"{job.name or job.job_id} ({command_on_one_line(job.command, _COMMAND)})"
