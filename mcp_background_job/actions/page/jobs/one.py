"""One job, live: the subject ``job``; and the request for it, which does not change: the subject ``asked``."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.facts import details_facts
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.page.jobs.digest import digest
from mcp_background_job.actions.page.jobs.family import family
from mcp_background_job.actions.page.jobs.latest import Latest
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject
from mcp_background_job.actions.page.words import on_page
from mcp_background_job.core.masking import masked
from mcp_background_job.core.states import State
from mcp_background_job.core.text import shortened
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.details import Details
from mcp_background_job.jobs.manager import JobManager

#: Seconds between two looks at resource usage while a page shows the job: no event reports it.
_EVERY_S = 1.0

#: Seconds between two requests for its family to the index, which all pages share.
_FAMILY_EVERY_S = 3.0

#: The most jobs whose family is remembered.
_KEPT = 64

#: The most characters of a command, and of a variable.
_COMMAND = 100_000
_VALUE = 4000

#: Facts that this subject leaves out: ``asked`` has them, or they change with each look or follow from other facts.
_ELSEWHERE = frozenset({"command", "duration_s", "created_at", "started_at", "ended_at", "last_output_at", "usage_at"})


@dataclass(frozen=True, kw_only=True)
class One:
    """A job."""

    job_id: Word


class Looking:
    """Looks at single jobs for all pages."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager
        self._latest = Latest(manager)
        self._families: dict[str, tuple[float, list[Facts]]] = {}

    async def asked(self, caller: Caller, request: One, cursor: Cursor) -> Seen | None:
        """Return the request for a job: its command, directory and environment; secrets are masked."""
        details = await self._manager.details(request.job_id, caller.looks)
        job, spec = details.job, details.spec
        if cursor == job.job_id:
            return None
        environment = sorted((spec.env if spec else {}).items())
        facts: Facts = {
            "job_id": job.job_id,
            "name": job.name,
            "command": shortened(spec.command if spec else job.command, _COMMAND),
            "cwd": job.cwd,
            "project": job.project or None,
            "client": job.client or None,
            "environment": [[name, shortened(masked(name, value), _VALUE)] for name, value in environment],
            "env_from": (spec.env_from or None) if spec else None,
            "stdin": spec.stdin if spec else None,
            "timeout_s": spec.timeout_s if spec else None,
            "after": spec.after if spec else [],
            "leftovers": spec.leftovers if spec else None,
            "restarted_from": spec.restarted_from if spec else None,
            "max_output": spec.max_output if spec else None,
            "status": job.status,
        }
        return Seen(job.job_id, facts)

    async def nothing_more(self, _caller: Caller, _request: One, cursor: Cursor) -> None:
        """Wait for ever after the first look: the request never changes."""
        if cursor is not None:
            await asyncio.Event().wait()

    async def look(self, caller: Caller, request: One, cursor: Cursor) -> Seen | None:
        """Return the facts about a job now, if they have changed."""
        details = await self._manager.details(request.job_id, caller.looks)
        facts = await self._facts(details)
        now = [digest(facts), details.job.state is State.EXITED]
        return None if cursor == now else Seen(now, facts)

    async def wait(self, _caller: Caller, request: One, cursor: Cursor) -> None:
        """Return when the facts may have changed."""
        if isinstance(cursor, list) and cursor[1:] == [True]:  # only the family of an ended job changes
            await asyncio.sleep(_FAMILY_EVERY_S)
            return
        async with self._manager.hub.watching(request.job_id, output=False) as watched:
            if watched.seen is None or watched.seen.state is not State.EXITED:
                await watched.life.beyond(watched.life.count, _EVERY_S)

    def keep(self, _caller: Caller, request: One) -> AbstractAsyncContextManager[object]:
        """Keep the connection to the job's runner."""
        return self._manager.hub.watching(request.job_id, output=False)

    async def _facts(self, details: Details) -> Facts:
        job = details.job
        known = {name: fact for name, fact in details_facts(details).items() if name not in _ELSEWHERE}
        used = await lanes.look(self._latest.used, job)
        return {
            **on_page(known, "note", "reason"),
            "created_at": job.created_at,
            "started_at": job.started_at,
            "ended_at": job.ended_at,
            "last_output_at": details.last_output_at,
            "cpu": used.cpu if used else None,
            "is_suspended": details.is_suspended,
            "family": await self._family(details),
        }

    async def _family(self, details: Details) -> list[Facts]:
        job_id = details.job.job_id
        looked_at, known = self._families.get(job_id, (float("-inf"), []))
        if time.monotonic() - looked_at >= _FAMILY_EVERY_S:
            known = await family(self._manager, details.job)
            if len(self._families) >= _KEPT:
                self._families.clear()
            self._families[job_id] = time.monotonic(), known
        return known


def job_subjects(manager: JobManager) -> list[Subject[Any]]:
    """Return one job as a subject, and the request for it as another."""
    looking = Looking(manager)
    return [
        Subject("job", One, looking.look, looking.wait, looking.keep),
        Subject("asked", One, looking.asked, looking.nothing_more),
    ]
