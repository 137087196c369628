"""The common half of submitting jobs to an engine. A subclass knows the engine."""

from __future__ import annotations

import contextlib
import time

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import TooManyDescendantsError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.base import Submitted
from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes.ending import end
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.jobdir.observe import told
from mcp_background_job.jobdir.records import Exit, Spec


class NodeSubmitting:
    """Half of a submitter of jobs to an engine."""

    def __init__(self, store: NodeStore, background: Background, family: Family) -> None:
        """Takes the store of its jobs, the background for submissions, and the families of the jobs."""
        self._store = store
        self._background = background
        self._family = family

    # -- what an engine's has --------------------------------------------------------------------------------------

    def _record(self, spec: Spec) -> None:
        """Put a job on record, with the facts about its submission."""
        raise NotImplementedError

    async def _submit(self, spec: Spec) -> None:
        """Submit a job that is on record.

        Raises:
            LaunchError: the engine refuses it; the refusal is on record.
        """
        raise NotImplementedError

    # -- what all do alike -----------------------------------------------------------------------------------------

    async def launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        """Record a job and submit it; see ``Place.launch``. It then waits in the engine's queue, if only briefly."""
        # A half-finished submission would be repeated later.
        return await self._background.despite_cancellation(self._launch(spec, wait_for_report=wait_for_report))

    async def _launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        if await lanes.look(self._store.is_recorded, spec.job_id):
            seen = await lanes.look(told, self._store.job(spec.job_id))
            return Submitted(pid=seen.status.pid if seen.status else None, queued=seen.state is State.QUEUED)
        await lanes.write(self._record, spec)
        if wait_for_report:
            await self._submit(spec)
        else:
            self._background.go_on(self._submit(spec))
        return Submitted(queued=True)

    def _record_within_limits(self, spec: Spec) -> None:
        """Put a job on record, unless its family has too many members.

        Raises:
            TooManyDescendantsError: it has too many.
        """
        self._store.record(spec)
        try:
            self._family.check_limits(spec)  # after its mark is set, which the next check counts
        except TooManyDescendantsError:
            self._store.unrecord(spec.job_id)
            raise

    def _end(self, job_id: str, outcome: Outcome, reason: str) -> None:
        with contextlib.suppress(OSError):  # a full disk: this is tried again
            end(self._store, job_id, Exit(outcome=outcome.value, ended_at=time.time(), reason=reason))


def behind(other: str, outcome: Outcome | None) -> str:
    """Return the sentence about a job that never starts, since another job did not complete."""
    how = "no longer exists" if outcome is None else f"ended as {outcome.value}"
    return f"job {other}, which it was to run after, {how}"
