"""The list of jobs, live: the subject ``jobs``."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.arguments import several
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.meant import Words
from mcp_background_job.actions.page.jobs.digest import digest
from mcp_background_job.actions.page.jobs.latest import Latest
from mcp_background_job.actions.page.jobs.machine import Machines
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject
from mcp_background_job.actions.page.words import pressed
from mcp_background_job.core.job import Job, JobChoice, has_more_to_tell
from mcp_background_job.core.states import State
from mcp_background_job.core.text import command_on_one_line, one_line
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager

#: The most rows of one window on the list; the page asks for the visible rows and some around them.
_MAX_ROWS = 200

#: Seconds between two looks at resource usage and last lines: no event reports either.
_EVERY_S = 1.0

#: Seconds between two looks at a time stamp that new and ended jobs change; such a look costs nothing.
_GLANCE_S = 0.2

#: Seconds between two readings of notes: they take more looks than everything else in a list.
_NOTES_EVERY_S = 3.0

#: Notes are read in pieces of so many jobs: other requests wait for one piece at most.
_NOTED_AT_ONCE = 10

#: Seconds after which a list that nobody asks for is forgotten.
_FORGET_S = 60.0

_COMMAND = 160
_NOTE = 160


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """A window on the list of jobs.

    Attributes:
        status: jobs with one of these statuses.
        project: jobs of this project; by default of all.
        text: jobs with this text in their name, id or command.
        offset: the number of jobs before the first row.
        limit: the number of rows.
    """

    status: Words | None = None
    project: str | None = None
    text: str | None = None
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=_MAX_ROWS)] = 100


class _List:
    """One window, shared by all pages that show it."""

    def __init__(self, manager: JobManager, latest: Latest, machines: Machines, request: Jobs) -> None:
        self._manager = manager
        self._machines = machines
        self._latest = latest
        self._request = request
        self._choice = JobChoice(statuses=several(request.status), project=request.project, text=request.text or None)
        self._turn = asyncio.Lock()
        self._stamp: object = None
        self._noted_at = float("-inf")
        self._notes: dict[str, str] = {}
        self._looked_at = float("-inf")
        self.asked_at = time.monotonic()
        self.facts: Facts = {}
        self.cursor = ""

    async def refresh(self) -> None:
        """Look, unless the last look is recent."""
        async with self._turn:
            stamp = await lanes.look(self._manager.places.marks_changed_at)
            if stamp == self._stamp and time.monotonic() - self._looked_at < _EVERY_S:
                return
            self._stamp = stamp
            self.facts = await self._look()
            self.cursor = digest(self.facts)
            self._looked_at = time.monotonic()

    async def _look(self) -> Facts:
        manager, request = self._manager, self._request
        jobs, counted = await manager.listed(self._choice, limit=request.limit, offset=request.offset)
        if time.monotonic() - self._noted_at >= _NOTES_EVERY_S:
            self._notes = await self._noted([job for job in jobs if job.state is not State.EXITED])
            self._noted_at = time.monotonic()
        rows = await lanes.scan(lambda: [self._row(job) for job in jobs])
        return {
            "rows": rows,
            "count": max(counted.meant, request.offset + len(jobs)),
            "projects": await manager.index.projects(),
            "note": manager.index.filling,
        }

    async def _noted(self, jobs: list[Job]) -> dict[str, str]:
        notes: dict[str, str] = {}
        for begin in range(0, len(jobs), _NOTED_AT_ONCE):
            notes |= await self._manager.notes(jobs[begin : begin + _NOTED_AT_ONCE])
        return notes

    def _row(self, job: Job) -> Facts:
        used = self._latest.used(job)
        reason = job.reason if has_more_to_tell(job) else None
        note = self._notes.get(job.job_id) if job.state is not State.EXITED else reason
        return {
            "job_id": job.job_id,
            "name": job.name,
            "status": job.status,
            "exit_code": job.exit_code,
            "signal": job.signal,
            "project": job.project or None,
            "parent": job.parent,
            "command": command_on_one_line(job.command, _COMMAND),
            "created_at": job.created_at,
            "started_at": job.started_at,
            "ended_at": job.ended_at,
            "note": one_line(pressed(note), _NOTE) if note else None,
            "cpu": used.cpu if used else None,
            "memory": used.memory if used else None,
            "line": self._latest.line(job),
            **self._on_gpus(job),
        }

    def _on_gpus(self, job: Job) -> Facts:
        on = self._machines.gpus.jobs.get(job.job_id) if self._machines.gpus else None
        return {"gpu_memory": on.memory, "gpu": on.load} if on else {}


class Lists:
    """All windows that pages show."""

    def __init__(self, manager: JobManager, machines: Machines) -> None:
        """Has no windows yet."""
        self._manager = manager
        self._machines = machines
        self._latest = Latest(manager)
        self._lists: dict[Jobs, _List] = {}

    async def look(self, _caller: Caller, request: Jobs, cursor: Cursor) -> Seen | None:
        """Return a window on the list, if it has changed."""
        shown = self._of(request)
        await shown.refresh()
        return None if cursor == shown.cursor else Seen(shown.cursor, shown.facts)

    async def wait(self, _caller: Caller, request: Jobs, cursor: Cursor) -> None:
        """Return when the window has changed."""
        shown = self._of(request)
        while shown.cursor == cursor:
            await asyncio.sleep(_GLANCE_S)
            shown.asked_at = time.monotonic()
            await shown.refresh()

    def _of(self, request: Jobs) -> _List:
        now = time.monotonic()
        for old in [key for key, one in self._lists.items() if now - one.asked_at > _FORGET_S]:
            del self._lists[old]
        shown = self._lists.setdefault(request, _List(self._manager, self._latest, self._machines, request))
        shown.asked_at = now
        return shown


def jobs_subject(manager: JobManager, machines: Machines) -> Subject[Any]:
    """Return the list of jobs as a subject."""
    lists = Lists(manager, machines)
    return Subject("jobs", Jobs, lists.look, lists.wait)
