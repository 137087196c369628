"""The place for jobs on this machine: each has a directory, and a runner beside it.

Modules that only some commands need are loaded on first use.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mcp_background_job.core.states import State
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.base import Cancelled, Submitted
from mcp_background_job.executors.local.queue import Queue
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.executors.local.sweeping import Sweeping
from mcp_background_job.jobdir import lock, runners
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest
from mcp_background_job.jobdir.usage import newest

if TYPE_CHECKING:
    from mcp_background_job.executors.local.beginning import Beginning
    from mcp_background_job.executors.local.cancelling import Cancelling
    from mcp_background_job.executors.local.launcher import Launcher
    from mcp_background_job.executors.local.launching import Launching
    from mcp_background_job.executors.overview import Overview
    from mcp_background_job.executors.usage import Usage
    from mcp_background_job.executors.waits import Waits
    from mcp_background_job.jobdir.claims import Claim
    from mcp_background_job.jobdir.control import RunnerClient

#: Seconds until another look at a job without a runner, or whose runner is starting or ending: only files are read.
_LOOK_AGAIN_S = 0.05


class LocalPlace:
    """Runs jobs on this machine, under one state directory; see ``Place`` for the rest."""

    name = "local"
    is_apart = False

    def __init__(self, state: StateDir, family: Sequence[StateDir] = ()) -> None:
        """Takes the state directory, which ``store.prepare`` makes, and all that may have relatives of jobs."""
        self.store = LocalStore(state)
        self._family = family or (state,)
        self._background = Background()
        self._queue = Queue(self.store, self._begin, self._background)
        self._sweeping = Sweeping(self.store, self._launch, self._background)

    @cached_property
    def _launcher(self) -> Launcher:
        from mcp_background_job.executors.local.launcher import Launcher  # noqa: PLC0415  see the top

        return Launcher()

    @cached_property
    def _beginning(self) -> Beginning:
        from mcp_background_job.executors.local.beginning import Beginning  # noqa: PLC0415  see the top

        return Beginning(self.store, self._launcher)

    async def _begin(self, claim: Claim) -> Submitted:
        return await self._beginning.begin_claimed(claim)

    async def _launch(self, job: JobDir) -> dict[str, Any]:
        return await self._launcher.launch(job)

    @cached_property
    def _launching(self) -> Launching:
        from mcp_background_job.executors.family import Family  # noqa: PLC0415  see the top
        from mcp_background_job.executors.local.launching import Launching  # noqa: PLC0415

        return Launching(self.store, Family(self._family), self._beginning, self._queue, self._background)

    @cached_property
    def _cancelling(self) -> Cancelling:
        from mcp_background_job.executors.local.cancelling import Cancelling  # noqa: PLC0415  see the top

        return Cancelling(self.store, self._launcher, self._sweeping, self._queue)

    def check(self, asked: str) -> None:
        """Refuse any wish: there is nothing to choose here."""
        if asked:
            raise InvalidRequestError(
                f"on: {asked!r} cannot be asked of this machine: give {self.name!r}, or leave it out"
            )

    async def launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        """Record the job, then start it or queue it."""
        return await self._launching.launch(spec, wait_for_report=wait_for_report)

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        """Read the jobs' files."""
        seen = {job_id: self._seen(job_id) for job_id in job_ids}
        return {job_id: observation for job_id, observation in seen.items() if observation is not None}

    def _seen(self, job_id: str) -> Observation | None:
        if not self.store.has(job_id):
            # The job, or another program, may have removed its directory; that does not end the job.
            pid = runners.find(self.store.job(job_id))
            return Observation(state=State.RUNNING, runner_pid=pid) if pid else None
        seen = self.store.observe(job_id)
        # A job with neither a claim nor a place in the queue is one that release 1.0.0 is just recording, or whose
        # recorder has died: it is queued too. A claim is released once a runner owns the job. But a process that serves
        # the queue may set that job's mark again, late. So without a claim it is looked at again: its runner shows.
        if seen.state is not State.QUEUED:
            return seen
        if self.store.is_claimed(job_id):
            return dataclasses.replace(seen, state=State.STARTING)
        return self.store.observe(job_id)

    def has_runner(self, job_id: str) -> bool:
        """Ask the kernel which process holds the job's lock."""
        return lock.holder_of(self.store.job(job_id).lock) is not None

    async def connect(self, job_id: str) -> RunnerClient:
        """Connect to a job's runner."""
        from mcp_background_job.executors.local import connecting  # noqa: PLC0415  see the top

        return await connecting.connect(self.store.job(job_id))

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job, by its runner or in the runner's place."""
        return await self._cancelling.cancel(job_id, request)

    async def care(self, job_id: str) -> None:
        """Have a new runner clear up after a dead one."""
        await self._sweeping.sweep(job_id)

    def care_later(self, job_id: str) -> None:
        """Do the same without waiting for it."""
        self._sweeping.sweep_later(job_id)

    async def tend(self) -> None:
        """Begin to clear up after all dead runners."""
        await self._sweeping.sweep_the_dead()

    async def serve(self) -> None:
        """Serve the queue."""
        await self._queue.serve()

    def is_suspended(self, seen: Observation) -> bool:
        """Look at the command's process."""
        from mcp_background_job.kernel import tree  # noqa: PLC0415  see the top

        if seen.runner_pid is None or seen.status is None or seen.status.pid is None or seen.status.leader_exit:
            return False
        process = tree.look_up(seen.status.pid)
        return process is not None and process.is_suspended

    def usage_seen(self, job_id: str, seen: Observation) -> Usage | None:
        """Look at the processes below the job's runner."""
        from mcp_background_job.executors import usage  # noqa: PLC0415  see the top

        if seen.state is not State.RUNNING or seen.runner_pid is None or seen.status is None or seen.status.sweeping:
            return None
        return usage.seen_from_here(seen.runner_pid, newest(self.store.job(job_id).usage))

    async def usage(self, job_id: str) -> Usage | None:
        """Ask the job's runner."""
        from mcp_background_job.executors.local import asking  # noqa: PLC0415  see the top

        return await asking.usage_of(self.store, job_id)

    async def waits(self, job_id: str) -> Waits | None:
        """Ask the job's runner."""
        from mcp_background_job.executors.local import asking  # noqa: PLC0415  see the top

        return await asking.waits_of(self.store, job_id)

    async def port_is_open(self, job_id: str, port: int, address: str | None = None) -> bool:
        """Ask the job's runner."""
        from mcp_background_job.executors.local import asking  # noqa: PLC0415  see the top

        return await asking.port_is_open(self.store, job_id, port, address)

    async def port_is_taken(self, job_id: str, port: int) -> bool:  # noqa: ARG002  elsewhere jobs have machines of their own
        """Ask the kernel."""
        from mcp_background_job.executors.local import asking  # noqa: PLC0415  see the top

        return await asking.port_is_taken(port)

    def look_again_s(self, seen: Observation | None) -> float:  # noqa: ARG002  other places look at the state
        """Return a short time: only files are read."""
        return _LOOK_AGAIN_S

    async def overview(self) -> Overview:
        """Return the CPUs of this machine, and how many jobs wait for their turn."""
        from mcp_background_job.executors.overview import Overview, Part  # noqa: PLC0415  see the top

        waiting = len(await lanes.look(self.store.waiting))
        here = Part(name="", nodes=1, nodes_up=1, cpus=os.cpu_count() or 1)
        return Overview(place=self.name, parts=[here], waiting={"their turn": waiting} if waiting else {})

    def health(self) -> str | None:
        """Return what is wrong with the state directory, ``None`` if nothing is."""
        return self.store.health()

    async def start(self) -> None:
        """Start the spawner; a launch meanwhile waits for it."""
        await self._launcher.start_spawner_soon()

    async def finish(self) -> None:
        """Wait for sweeps and launches under way."""
        await self._background.finish()

    def close(self) -> None:
        """Close the spawner's socket."""
        if "_launcher" in vars(self):  # it was needed
            self._launcher.close()
