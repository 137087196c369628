"""The common half of all places whose jobs run on other machines: nothing here asks the kernel or an engine."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mcp_background_job.core.states import State
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.nodes.ending import end
from mcp_background_job.executors.nodes.kin import Kin
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.nodes.submitting import NodeSubmitting
from mcp_background_job.jobdir.control import LOOK_TIMEOUT_S, NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest
from mcp_background_job.jobdir.usage import newest

if TYPE_CHECKING:
    from mcp_background_job.executors.base import Cancelled, Submitted
    from mcp_background_job.executors.nodes.client import NodeClient
    from mcp_background_job.executors.usage import Usage
    from mcp_background_job.executors.waits import Waits

#: Seconds until another look at a job without a connection: its files are usually on a file server.
_LOOK_AGAIN_S = 1.0

S = TypeVar("S", bound=NodeSubmitting)


class NodePlace(Generic[S]):
    """Half of a place on a cluster; see ``Place`` for the rest. A subclass knows the engine."""

    is_apart = False

    #: Submits its jobs.
    _submitting: S

    def __init__(self, store: NodeStore, family: Family) -> None:
        """Takes the store of its jobs, and the directories where relatives of jobs may be."""
        self.store = store
        self._family = family
        self._kin = Kin(store, family)
        self._background = Background()
        self._cared_for: set[str] = set()

    # -- what an engine's place has --------------------------------------------------------------------------------

    def seen(self, job_id: str) -> Observation | None:
        """Return what is known here of a job's state; asks nobody, and changes nothing."""
        raise NotImplementedError

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        """Look at jobs; see ``Place.look``."""
        raise NotImplementedError

    async def connect(self, job_id: str) -> NodeClient:
        """Connect to a job's runner; see ``Place.connect``."""
        raise NotImplementedError

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job; see ``Place.cancel``."""
        raise NotImplementedError

    def _is_connected(self, job_id: str) -> bool:
        """Tell whether this process has a connection to a job's runner anyway."""
        raise NotImplementedError

    async def launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        """Record the job, then submit it."""
        submitted = await self._submitting.launch(spec, wait_for_report=wait_for_report)
        # On record first, and the stop is looked for afterwards: see ``jobdir.ancestry``.
        if spec.ancestors and (stop := await lanes.look(self._family.stop_of, spec.ancestors)):
            await self.cancel(spec.job_id, stop)
        return submitted

    # -- care ------------------------------------------------------------------------------------------------------

    def has_runner(self, job_id: str) -> bool:
        """Tell whether a runner has taken the job."""
        job = self.store.job(job_id)
        return claims.is_claimed(job) and not job.has_exit

    async def care(self, job_id: str) -> None:
        """Record the end of a job that the engine reports as over; clearing away its remains is the engine's task."""
        with contextlib.suppress(OSError):  # a full disk: the next look tries again
            await lanes.write(self._record_end, job_id)

    def care_later(self, job_id: str) -> None:
        """Do the same without waiting for it."""
        self._once(job_id, self.care(job_id))

    def _once(self, job_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Start work for a job that nobody waits for, unless such work is under way."""
        if job_id in self._cared_for:
            work.close()
            return
        self._cared_for.add(job_id)

        async def to_the_end() -> None:
            try:
                await work
            finally:
                self._cared_for.discard(job_id)

        self._background.go_on(to_the_end())

    def _record_end(self, job_id: str) -> None:
        seen = self.seen(job_id)
        if seen and seen.sweep and seen.exit:
            end(self.store, job_id, seen.exit)

    async def _end_the_bereaved(self) -> None:
        """Begin to end the jobs that must end with an ancestor."""
        for job_id, stop in (await lanes.look(self._kin.bereaved)).items():
            self._once(job_id, self._end_with_ancestor(job_id, stop))

    async def _end_with_ancestor(self, job_id: str, stop: StopRequest) -> None:
        with contextlib.suppress(BackgroundJobError):  # the next process that tends tries again
            await self.cancel(job_id, stop)

    # -- questions -------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Do nothing: the engine serves its own queue."""

    def is_suspended(self, seen: Observation) -> bool:  # noqa: ARG002  other places look at it
        """Return false: nobody here sees the job's processes."""
        return False

    def usage_seen(self, job_id: str, seen: Observation) -> Usage | None:
        """Read the job's newest sample, which its runner takes every few seconds."""
        from mcp_background_job.executors import usage  # noqa: PLC0415  lists do without

        if seen.state is not State.RUNNING:
            return None
        sample = newest(self.store.job(job_id).usage)
        return usage.from_sample(sample) if sample else None

    async def usage(self, job_id: str) -> Usage | None:
        """Ask the job's runner if there is a connection to it anyway, else read its newest sample."""
        from mcp_background_job.executors import usage  # noqa: PLC0415  see above

        if self._is_connected(job_id) and (answer := await self._answer(job_id, {"op": "usage", "pss": False})):
            return usage.from_answer(answer)
        seen = (await lanes.look(self.look, [job_id])).get(job_id)
        return await lanes.look(self.usage_seen, job_id, seen) if seen else None

    async def waits(self, job_id: str) -> Waits | None:
        """Ask the job's runner only if there is a connection anyway: a list of jobs must not connect to each."""
        from mcp_background_job.executors.waits import Waits  # noqa: PLC0415  see above

        answer = await self._answer(job_id, {"op": "waits"}) if self._is_connected(job_id) else None
        return Waits.from_answer(answer) if answer else None

    async def port_is_open(self, job_id: str, port: int, address: str | None = None) -> bool:
        """Ask the job's runner."""
        at = {} if address is None else {"address": address}
        answer = await self._answer(job_id, {"op": "port", "port": port, **at})
        return answer is not None and answer.get("listening") is True

    async def port_is_taken(self, job_id: str, port: int) -> bool:  # noqa: ARG002  who sees the node looks
        """Return false: nobody here sees the node."""
        return False

    async def _answer(self, job_id: str, request: dict[str, object]) -> dict[str, object] | None:
        """Return the answer of a job's runner, ``None`` if it does not answer, or answers with an error."""
        try:
            async with await self.connect(job_id) as channel:
                answer = await channel.ask(request, LOOK_TIMEOUT_S)
        except (NoRunnerError, RunnerTimeoutError):
            return None
        return None if answer is None or "error" in answer else answer

    def look_again_s(self, seen: Observation | None) -> float:  # noqa: ARG002  other places look at the state
        """Return a long time: files of other machines are looked at rarely."""
        return _LOOK_AGAIN_S

    def health(self) -> str | None:
        """Return what is wrong with the root."""
        return self.store.health()

    async def start(self) -> None:
        """Do nothing: nothing makes a submission quicker."""
