"""Launches the runner of a recorded job, and makes sure that a failure to launch it is on record."""

from __future__ import annotations

import contextlib
import time

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import LaunchError
from mcp_background_job.executors import lanes, looping
from mcp_background_job.executors.base import Submitted
from mcp_background_job.executors.local.launcher import Launcher
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.claims import Claim
from mcp_background_job.jobdir.ending import end_unowned
from mcp_background_job.jobdir.records import Exit

#: A runner that could not start its job has reported why, and releases the job's lock within this many looks.
_LOOKS = 50
_BETWEEN_LOOKS_S = 0.02


class Beginning:
    """Begins recorded jobs."""

    def __init__(self, store: LocalStore, launcher: Launcher) -> None:
        """Takes its parts."""
        self._store = store
        self._launcher = launcher

    async def begin_claimed(self, claim: Claim) -> Submitted:
        """Begin a job that this process has claimed, and release the claim.

        Raises:
            LaunchError: the job could not be started.
        """
        try:
            return await self.begin(claim.job.job_id)
        finally:
            await lanes.write(claim.release)

    async def begin(self, job_id: str) -> Submitted:
        """Begin a job, and return when its command runs.

        Raises:
            LaunchError: the job could not be started.
        """
        try:
            report = await self._launcher.launch(self._store.job(job_id))
        except LaunchError as error:
            # Normally the runner has recorded the failure. If it could not, no other process may start the job later.
            await self._end_failed(job_id, f"not started: {error}")
            raise
        pid = report.get("pid")
        if pid is None and report.get("owned"):  # another process that served the queue was quicker
            seen = await lanes.look(self._store.observe, job_id)
            pid = seen.status.pid if seen.status else None
        return Submitted(pid=pid)

    async def _end_failed(self, job_id: str, reason: str) -> None:
        """Make sure that a job that could not be started is recorded as failed or, on a full disk, not at all."""
        job = self._store.job(job_id)
        record = Exit(outcome=Outcome.FAILED.value, ended_at=time.time(), reason=reason)
        await looping.needed()
        import asyncio  # noqa: PLC0415  see ``looping``

        for _ in range(_LOOKS):
            if not await lanes.look(lock.holder_of, job.lock):
                break
            await asyncio.sleep(_BETWEEN_LOOKS_S)
        with contextlib.suppress(OSError):
            await lanes.write(end_unowned, job, record)
        seen = await lanes.look(self._store.observe, job_id)
        if seen.state is State.QUEUED:
            await lanes.write(self._store.unrecord, job_id)
