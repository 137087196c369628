"""Gathers what is to be said of live jobs beside their status: from their files, their runners, and the queue."""

from __future__ import annotations

from mcp_background_job.core.dialogue.asking import asks
from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.executors.usage import Usage
from mcp_background_job.jobdir.records import Spec, Status
from mcp_background_job.jobs import attempts, notes
from mcp_background_job.jobs.ending import started_after
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.lastline import last_line
from mcp_background_job.jobs.left import ends_leftovers
from mcp_background_job.jobs.standing import Standing


class Teller:
    """Tells of live jobs; see ``JobManager.note``."""

    def __init__(self, places: Places, index: Index) -> None:
        """Takes its parts."""
        self._places = places
        self._index = index

    async def note(self, standing: Standing) -> str | None:
        """Return what is to be said of a live job."""
        job, seen, spec, is_suspended, usage = standing
        if seen.trouble:
            return seen.trouble
        if seen.status is None:
            return await self._why_queued(job.job_id, spec) if job.state is State.QUEUED and spec else None
        if seen.status.survivors:
            return notes.survivors(seen.status.survivors)
        told = notes.failures(seen.status)
        if spec and spec.after and (after := await lanes.look(started_after, self._places, job, spec)):
            told.append(after)
        if seen.status.leader_exit:
            told.insert(0, await self._left(job.job_id, seen.status, spec, usage))
        elif is_suspended:
            told.append(notes.STOPPED)
        elif spec and spec.stdin != "closed" and (asked := await self._asked(job.job_id)):
            told.append(asked)
        if spec and spec.attempts_file and (attempt := await lanes.look(attempts.told_of, spec.attempts_file)):
            told.append(attempt)
        return "; ".join(told) or None

    async def _left(self, job_id: str, status: Status, spec: Spec | None, usage: Usage | None) -> str:
        usage = usage or await self._places.usage(job_id)
        return notes.left_running(status, usage, are_leftovers_ended=ends_leftovers(spec))

    async def _asked(self, job_id: str) -> str | None:
        waits = await self._places.waits(job_id)
        if waits is None or waits.how == "no" or waits.unread:
            return None
        line = await lanes.look(last_line, self._places.store_of(job_id), job_id)
        return notes.waits_for_input(line) if asks(waits.how, waits.mode, line) else None

    # -- queued jobs -----------------------------------------------------------------------------------------------

    async def _why_queued(self, job_id: str, spec: Spec) -> str | None:
        live, running = await lanes.look(self._around, job_id)
        if after := [other for other in spec.after if other in live]:
            return notes.waits_for_jobs([await self._dependency(other) for other in after])
        counted = [one for other in running if (one := await self._index.find(other)) and not one.is_own]
        if not spec.is_own and len(counted) >= spec.max_jobs:
            return notes.waits_for_room(spec.max_jobs, [one.label for one in counted])
        return notes.waits_for_pool(list(spec.pools)) if spec.pools else None

    def _around(self, job_id: str) -> tuple[set[str], list[str]]:
        live = set(self._places.open_jobs())
        return live, sorted(live - self._places.waiting() - {job_id})

    async def _dependency(self, job_id: str) -> str:
        known = await self._index.find(job_id)
        seen = (await lanes.look(self._places.look, [job_id])).get(job_id)
        how = known.status if known else "gone"
        if seen and seen.state is not State.EXITED and seen.status and seen.status.leader_exit:
            spec = await lanes.look(self._places.store_of(job_id).spec, job_id)
            how = await self._left(job_id, seen.status, spec, None)
        return notes.of_dependency(known.label if known else job_id, how)
