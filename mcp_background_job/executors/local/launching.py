"""Records jobs, and starts those that need not wait for their turn."""

from __future__ import annotations

from mcp_background_job.core.states import State
from mcp_background_job.errors import AfterFailedError, LaunchError, TooManyDescendantsError
from mcp_background_job.executors import interrupts, lanes, looping
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.base import Submitted
from mcp_background_job.executors.family import Family
from mcp_background_job.executors.local.beginning import Beginning
from mcp_background_job.executors.local.queue import Queue
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.jobdir import ancestry, claims, order
from mcp_background_job.jobdir.claims import Claim
from mcp_background_job.jobdir.ending import end_unowned
from mcp_background_job.jobdir.marks import waiting_of
from mcp_background_job.jobdir.queue import may_start_at_once
from mcp_background_job.jobdir.records import Spec


class Launching:
    """Records jobs, and starts or queues them."""

    def __init__(
        self, store: LocalStore, family: Family, beginning: Beginning, queue: Queue, background: Background
    ) -> None:
        """Takes its parts."""
        self._store = store
        self._family = family
        self._beginning = beginning
        self._queue = queue
        self._background = background

    async def launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        """Record a job, then start it or queue it; see ``Place.launch``."""
        # A cancelled caller must not leave a job on record that nobody starts.
        if not looping.is_absent():
            await looping.needed()
            return await self._background.despite_cancellation(self._launch(spec, wait_for_report=wait_for_report))
        with interrupts.held():
            submitted = await self._at_once(spec, wait_for_report=True)
        return submitted or await self._from_queue(spec, wait_for_report=wait_for_report)

    async def _launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        submitted = await self._at_once(spec, wait_for_report=wait_for_report)
        return submitted or await self._from_queue(spec, wait_for_report=wait_for_report)

    async def _at_once(self, spec: Spec, *, wait_for_report: bool) -> Submitted | None:
        """Record a job and start it; ``None`` if it is in the queue instead."""
        claim = await lanes.write(self._record, spec)
        if claim is None:
            return None
        if wait_for_report:
            return await self._beginning.begin_claimed(claim)
        # The record is enough for the job to run, even if this process dies now: an unowned job is launched again.
        self._background.go_on(self._beginning.begin_claimed(claim))
        return Submitted()

    def _record(self, spec: Spec) -> Claim | None:
        """Record a job; returns the claim to it if it may start at once, and otherwise puts it in the queue."""
        state, facts = self._store.state, waiting_of(spec)
        claim = None if spec.after or spec.pools else claims.take(state, spec.job_id)
        try:
            self._store.record(spec)
            if spec.ancestors and not self._is_admitted(spec):
                return None
            if claim and may_start_at_once(state, facts):
                claim, kept = None, claim
                return kept
            order.enter(state, facts)
        finally:
            if claim:
                claim.release()
        return None

    def _is_admitted(self, spec: Spec) -> bool:
        """Tell whether a job that is marked open may run; if it ends with an ancestor, that end is recorded.

        Raises:
            TooManyDescendantsError: there are too many descendants; nothing of the job is left.
        """
        try:
            self._family.check_limits(spec)
        except TooManyDescendantsError:
            self._store.unrecord(spec.job_id)
            raise
        stop = self._family.stop_of(spec.ancestors)
        if stop:
            end_unowned(self._store.job(spec.job_id), ancestry.withdrawn(stop))  # or another was quicker
        return stop is None

    async def _from_queue(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        launch = (await self._queue.serve()).get(spec.job_id)
        if launch and wait_for_report:
            await launch
        seen = await lanes.look(self._store.observe, spec.job_id)
        if seen.exit and seen.exit.started_at is None:
            is_hopeless = spec.after and launch is None
            raise (AfterFailedError if is_hopeless else LaunchError)(seen.exit.reason)
        return Submitted(
            pid=seen.status.pid if seen.status else None,
            queued=seen.state is State.QUEUED and launch is None,
        )
