"""All places where jobs run, as one: a caller that asks about a job need not know where it is."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes, looping
from mcp_background_job.executors.names import Names
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest

if TYPE_CHECKING:
    from mcp_background_job.executors.base import Cancelled, Channel, Place, Store, Submitted
    from mcp_background_job.executors.forward import Forward
    from mcp_background_job.executors.overview import Overview
    from mcp_background_job.executors.usage import Usage
    from mcp_background_job.executors.waits import Waits

#: Characters of a name that an error repeats.
_TOLD = 40

#: The most jobs whose place is remembered: a look at all live jobs asks for each of them several times.
_KNOWN = 4096


class Places:
    """Routes by job id: a job is at the place whose store has it."""

    def __init__(self, places: Sequence[Place], names: Names) -> None:
        """Takes at least one place; by default, new jobs start at the first."""
        self._home, *self._others = places
        self._all = tuple(places)
        self._names = names
        self._known: dict[str, Place] = {}
        self._jobs_changed = _Newest()
        self._marks_changed = _Newest()
        self._queue_changed = _Newest()

    # -- where a job is --------------------------------------------------------------------------------------------

    def of(self, job_id: str) -> Place:
        """Return the place of a job. If no place has the job, the first one reports that."""
        if not self._others:
            return self._home
        if (known := self._known.get(job_id)) is not None:
            return known
        place = next((place for place in (*self._others, self._home) if place.store.has(job_id)), None)
        if place is None:  # perhaps it does not exist yet
            return self._home
        if len(self._known) >= _KNOWN:
            self._known = {}
        self._known[job_id] = place  # final: no job moves
        return place

    def is_elsewhere(self, job_id: str) -> bool:
        """Tell whether a job is at another place than the first; if there is no other, nothing is read."""
        return bool(self._others) and self.of(job_id) is not self._home

    def store_of(self, job_id: str) -> Store:
        """Return the store of a job's files."""
        return self.of(job_id).store

    async def _of(self, job_id: str) -> Place:
        """Return the place of a job for a question or a request to it, which needs an event loop."""
        await looping.needed()
        return await self._found(job_id)

    async def _found(self, job_id: str) -> Place:
        return await lanes.look(self.of, job_id) if self._others else self._home

    def forward(self, job_id: str, port: int) -> Forward | None:
        """Return a port that leads to a port where a job runs; ``None`` if the job is on this machine, or unknown."""
        from mcp_background_job.executors.forward import Forward, Forwarding  # noqa: PLC0415  few jobs are reached so

        place = self.of(job_id)
        if not isinstance(place, Forwarding):
            return None
        return Forward(lambda: place.leg(job_id, port), lambda: place.store.is_over(job_id))

    # -- which there are -------------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """The names of the places; a job starts at the first unless its caller names another."""
        return [place.name for place in self._all]

    def named(self, on: str) -> Place:
        """Return the place that ``on`` names; the wishes after the name are checked.

        Raises:
            InvalidRequestError: there is no such place, or it cannot fulfil a wish.
        """
        name, _, asked = on.strip().partition(" ")
        if not name:
            return self._home
        place = next((place for place in self._all if place.name == name), None)
        if place is None:
            raise InvalidRequestError(
                f"on: there is no place {name[:_TOLD]!r} here, only {', '.join(self.names)}; "
                "Slurm is one where sbatch is on the PATH of this program, Ray where MCP_BG_RAY_ADDRESS is set"
            )
        place.check(asked.strip())
        return place

    # -- all of them -----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the directories for jobs.

        Raises:
            StateDirError: a directory cannot be used.
        """
        for place in self._all:
            place.store.prepare()

    def discover(self) -> set[str]:
        """Return the ids of all jobs."""
        return {job_id for place in self._all for job_id in place.store.discover()}

    def scan(self) -> Iterator[str]:
        """Iterate over the ids of all jobs while the directories are listed."""
        return itertools.chain.from_iterable(place.store.scan() for place in self._all)

    def open_jobs(self) -> list[str]:
        """Return the ids of all jobs that are marked as not ended."""
        return [job_id for place in self._all for job_id in place.store.open_jobs()]

    def corrected(self) -> set[str]:
        """Return the ids of jobs that were taken for over, and whose runners have reported since how they ended."""
        return {job_id for place in self._others for job_id in place.store.corrected()}

    def jobs_changed_at(self) -> int:
        """Return a number that changes when a job is added or removed: nanoseconds since the epoch.

        Raises:
            StateDirError: a store is gone.
        """
        return self._jobs_changed.at([place.store.jobs_changed_at() for place in self._all])

    def marks_changed_at(self) -> int:
        """Return a number that changes when a job is marked as not ended, or no longer: nanoseconds since the epoch."""
        return self._marks_changed.at([place.store.marks_changed_at() for place in self._all])

    def has_runner(self, job_id: str) -> bool:
        """Tell whether a job has a runner: cheaper than a look at the job."""
        return self.of(job_id).has_runner(job_id)

    def waiting(self) -> set[str]:
        """Return the ids of the jobs that wait for their turn."""
        return {job_id for place in self._all for job_id in place.store.waiting()}

    def queue_changed_at(self) -> int:
        """Return a number that changes when a job gets its turn, or is no longer live."""
        return self._queue_changed.at([place.store.queue_changed_at() for place in self._all])

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        """Return the state of each of these jobs now; jobs without a trace are left out."""
        if not self._others:
            return self._home.look(job_ids)
        at: dict[str, list[str]] = {}
        for job_id in job_ids:
            at.setdefault(self.of(job_id).name, []).append(job_id)
        seen: dict[str, Observation] = {}
        for place in self._all:
            seen |= place.look(at.get(place.name, []))
        return seen

    async def tend(self) -> None:
        """Begin to care for all jobs whose runner died."""
        if looping.is_absent() and await lanes.look(self._has_open_elsewhere):
            await looping.needed()  # work that is begun for such a job goes on while nobody waits for it
        for place in self._all:
            await place.tend()

    def _has_open_elsewhere(self) -> bool:
        return any(place.store.open_jobs() for place in self._others)

    async def serve(self) -> None:
        """Start the waiting jobs that may start now, in case no other process does."""
        for place in self._all:
            await place.serve()

    async def overviews(self) -> list[Overview]:
        """Return the resources of each place."""
        await looping.needed()
        import asyncio  # noqa: PLC0415  see ``looping``

        return list(await asyncio.gather(*(place.overview() for place in self._all)))

    def health(self) -> str | None:
        """Return what is wrong, ``None`` if nothing is."""
        return "; ".join(trouble for place in self._all if (trouble := place.health())) or None

    async def start(self) -> None:
        """Prepare to launch many jobs quickly."""
        for place in self._all:
            await place.start()

    async def finish(self) -> None:
        """Wait for work that was begun without waiting for it."""
        for place in self._all:
            await place.finish()

    def close(self) -> None:
        """Release what this process holds; jobs go on."""
        for place in self._all:
            place.close()

    # -- a new job -------------------------------------------------------------------------------------------------

    def claim(self, job_id: str, on: str = "") -> bool:
        """Take a job id for a job at a place (see ``named``); returns whether it was free.

        Raises:
            StateDirError: the disk has no room for it.
            InvalidRequestError: there is no such place.
        """
        chosen = self.named(on)
        self._known.pop(job_id, None)  # the id of a removed job may be taken again, elsewhere
        others = (place for place in self._all if place is not chosen)
        return not any(place.store.has(job_id) for place in others) and chosen.store.claim(job_id)

    def name_held(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Keep others from starting a job under this name; if another process is stuck with it, go on without it."""
        return self._names.held(name)

    async def launch(self, spec: Spec, *, wait_for_report: bool = True) -> Submitted:
        """Record a job, then start it or queue it; see ``Place.launch``.

        Raises:
            StateDirError: the job could not be recorded.
            LaunchError: the job was recorded and could not be started.
        """
        place = await self._found(spec.job_id)
        if place is not self._home:  # this machine needs no event loop to start a job
            await looping.needed()
        return await place.launch(spec, wait_for_report=wait_for_report)

    # -- one job ---------------------------------------------------------------------------------------------------

    async def connect(self, job_id: str) -> Channel:
        """Connect to a job's runner; see ``Place.connect``.

        Raises:
            NoRunnerError: it has none.
            RunnerTimeoutError: the runner does not accept the connection.
        """
        return await (await self._of(job_id)).connect(job_id)

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job, and confirm that nothing of it is left.

        Raises:
            RunnerSilentError: the job cannot be stopped from here.
            EngineUnreachableError: the engine that could stop it does not answer.
        """
        cancelled = await (await self._of(job_id)).cancel(job_id, request)
        for place in self._others:  # jobs within it at another place end with it
            await place.tend()
        return cancelled

    async def care(self, job_id: str) -> None:
        """Take care of a job whose runner died."""
        await (await self._of(job_id)).care(job_id)

    def care_later(self, job_id: str) -> None:
        """Do the same without waiting for it."""
        self.of(job_id).care_later(job_id)

    def is_suspended(self, job_id: str, seen: Observation) -> bool:
        """Tell whether the command of a job that was just looked at waits for SIGCONT."""
        return self.of(job_id).is_suspended(seen)

    def usage_seen(self, job_id: str, seen: Observation) -> Usage | None:
        """Return the usage of a job that was just looked at, if reading it is cheap; otherwise ``usage`` may tell."""
        return self.of(job_id).usage_seen(job_id, seen)

    async def usage(self, job_id: str) -> Usage | None:
        """Return a job's resource usage; ``None`` if the job does not run, or the usage is unknown."""
        return await (await self._of(job_id)).usage(job_id)

    async def waits(self, job_id: str) -> Waits | None:
        """Return what a job does about its input; ``None`` if it does not run, or its runner does not answer."""
        return await (await self._of(job_id)).waits(job_id)

    async def port_is_open(self, job_id: str, port: int, address: str | None = None) -> bool:
        """Tell whether a process of the job is seen to listen on a TCP port, at one IP address or at any."""
        return await (await self._of(job_id)).port_is_open(job_id, port, address)

    async def port_is_taken(self, job_id: str, port: int) -> bool:
        """Tell whether any process listens on a port of the machine where the job runs."""
        return await (await self._of(job_id)).port_is_taken(job_id, port)

    def look_again_s(self, job_id: str, seen: Observation | None) -> float:
        """Return the seconds after which another look at a job without a connection may show a change."""
        return self.of(job_id).look_again_s(seen)


class _Newest:
    """One moment for several stores. It changes if any store's moment does, even one that is not the newest."""

    def __init__(self) -> None:
        self._seen: list[int] = []
        self._moment = -1

    def at(self, moments: list[int]) -> int:
        if moments != self._seen:
            self._seen = moments
            self._moment = max(*moments, self._moment + 1)
        return self._moment
