"""Gathers what is to be said of live jobs beside their status: from their files, their runners, and the queue."""

from __future__ import annotations

from mcp_background_job.core.dialogue.asking import asks
from mcp_background_job.core.schedule import Room, Waiting
from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.executors.usage import Usage
from mcp_background_job.jobdir.marks import waiting_of
from mcp_background_job.jobdir.records import Spec, Status
from mcp_background_job.jobs import attempts, notes
from mcp_background_job.jobs.ending import started_after
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.lastline import last_line
from mcp_background_job.jobs.left import ends_leftovers
from mcp_background_job.jobs.lineage import run_of, spec_of
from mcp_background_job.jobs.standing import Standing

#: What never changes of running jobs is remembered of so many: a list asks again for each job that is queued.
_FACTS_KEPT = 1000


class Teller:
    """Tells of live jobs; see ``JobManager.note``."""

    def __init__(self, places: Places, index: Index) -> None:
        """Takes its parts."""
        self._places = places
        self._index = index
        self._facts: dict[str, Waiting] = {}

    async def note(self, standing: Standing) -> str | None:
        """Return what is to be said of a live job."""
        job, seen, spec = standing.job, standing.seen, standing.spec
        if seen.trouble:
            return seen.trouble
        if seen.engine is not None:
            told = [seen.engine_note, notes.stale(seen.stale_since), await self._of_running(standing)]
            return "; ".join(filter(None, told)) or None
        if seen.status is None:
            return await self._why_queued(job.job_id, spec) if job.state is State.QUEUED and spec else None
        return await self._of_running(standing)

    async def _of_running(self, standing: Standing) -> str | None:
        job, seen, spec, is_suspended, usage = standing
        if seen.status is None:
            return None
        if seen.status.survivors:
            return notes.survivors(seen.status.survivors)
        told = notes.failures(seen.status)
        if spec and spec.after and (after := await lanes.look(started_after, self._places, job, spec)):
            told.append(after)
        if seen.status.leader_exit:
            told.insert(0, await self._left(job.job_id, seen.status, spec, usage))
        elif is_suspended:
            told.append(notes.STOPPED)
        elif (line := await self.question(standing)) is not None:
            told.append(notes.waits_for_input(line))
        if spec and spec.attempts_file and (attempt := await lanes.look(attempts.told_of, spec.attempts_file)):
            told.append(attempt)
        return "; ".join(told) or None

    async def _left(self, job_id: str, status: Status, spec: Spec | None, usage: Usage | None) -> str:
        usage = usage or await self._places.usage(job_id)
        return notes.left_running(status, usage, are_leftovers_ended=ends_leftovers(spec))

    async def question(self, standing: Standing) -> str | None:
        """Return the line in which a live job asks for input, empty if it asks without words; ``None`` if it does not.

        One that is suspended, or of which only what it has started lives, asks nobody.
        """
        job, seen, spec, is_suspended, _ = standing
        if spec is None or spec.stdin == "closed" or is_suspended or seen.status is None or seen.status.leader_exit:
            return None
        waits = await self._places.waits(job.job_id)
        if waits is None or waits.how == "no" or waits.unread:
            return None
        line = await lanes.look(last_line, self._places.store_of(job.job_id), job.job_id)
        return line if asks(waits.how, waits.mode, line) else None

    # -- queued jobs -----------------------------------------------------------------------------------------------

    async def _why_queued(self, job_id: str, spec: Spec) -> str | None:
        live, running = await lanes.look(self._around, job_id)
        if after := [other for other in spec.after if other in live]:
            return notes.waits_for_jobs([await self._dependency(other) for other in after])
        room, job = Room(running), waiting_of(spec)
        if not room.has_place_for(job):
            return notes.waits_for_room(spec.max_jobs, await self._labels(room.holders()))
        if full := room.full_pools(job):
            return notes.waits_for_pool(full[0], spec.pools[full[0]], await self._labels(room.in_pool(full[0])))
        return None

    async def _labels(self, job_ids: set[str]) -> list[str]:
        known = [await self._index.find(job_id) for job_id in sorted(job_ids)]
        # What looks at runs knows none of their jobs' ids.
        return [await lanes.look(run_of, self._places, [job.job_id]) or job.label for job in known if job]

    def _around(self, job_id: str) -> tuple[set[str], list[Waiting]]:
        """Return the ids of all live jobs, and what the queue knows of those that run."""
        live = set(self._places.open_jobs())
        running = live - self._places.waiting() - {job_id}
        return live, [facts for other in running if (facts := self._facts_of(other))]

    def _facts_of(self, job_id: str) -> Waiting | None:
        if job_id not in self._facts:
            spec = spec_of(self._places, job_id)
            if spec is None:
                return None
            if len(self._facts) >= _FACTS_KEPT:
                self._facts.clear()
            self._facts[job_id] = waiting_of(spec)
        return self._facts[job_id]

    async def _dependency(self, job_id: str) -> str:
        known = await self._index.find(job_id)
        seen = (await lanes.look(self._places.look, [job_id])).get(job_id)
        how = known.status if known else "gone"
        if seen and seen.state is not State.EXITED and seen.status and seen.status.leader_exit:
            spec = await lanes.look(self._places.store_of(job_id).spec, job_id)
            how = await self._left(job_id, seen.status, spec, None)
        return notes.of_dependency(known.label if known else job_id, how)
