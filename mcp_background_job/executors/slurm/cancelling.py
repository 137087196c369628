"""Stops jobs, by the shortest way that leads to them, and confirms it.

If no runner has taken a job, we take it: then no runner will, whatever Slurm does. If a runner has it, the runner stops
it, step by step, over the channel. If the runner cannot be reached, Slurm is asked to end its job, provided that this
is still the one submitted for ours: a controller that has lost its memory reuses ids for other jobs.
"""

from __future__ import annotations

import asyncio
import threading
import time

from mcp_background_job.core.states import State
from mcp_background_job.errors import EngineUnreachableError, RunnerSilentError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Cancelled
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.nodes.claims import Claim
from mcp_background_job.executors.nodes.ending import end
from mcp_background_job.executors.nodes.stopping import Connect, killed_by, tell_to_stop
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.nodes.watcher import Line
from mcp_background_job.executors.slurm import states
from mcp_background_job.executors.slurm.commands import Commands
from mcp_background_job.executors.slurm.seeing import Seeing, lives
from mcp_background_job.jobdir.ancestry import withdrawn
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.records import StopRequest

#: Attempts to reach a runner that has just taken its job, or is about to end.
_ATTEMPTS = 15
_BETWEEN_ATTEMPTS_S = 0.2

#: Seconds for Slurm: it sends SIGTERM, waits for KillWait (30 s by default), sends SIGKILL, and reports that later.
_ENGINE_PATIENCE_S = 60.0
_BETWEEN_LOOKS_S = 1.0

#: Seconds that a withdrawal waits for Slurm to remove the job from its queue: the job will not run in any case.
_ASK_PATIENCE_S = 0.3


class Cancelling:
    """Stops jobs."""

    def __init__(self, store: NodeStore, commands: Commands, seeing: Seeing, connect: Connect) -> None:
        """Takes its parts, and a function that connects to a job's runner."""
        self._store = store
        self._commands = commands
        self._seeing = seeing
        self._connect = connect

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job, and confirm that nothing of it is left; see ``Place.cancel``."""
        for attempt in range(_ATTEMPTS):
            seen = await lanes.look(self._seeing.seen, job_id)
            if seen is None or (seen.state is State.EXITED and not seen.sweep):
                return Cancelled(was_live=False)
            if seen.state is State.EXITED and seen.exit:  # its end is not recorded yet
                await lanes.write(end, self._store, job_id, seen.exit)
                return Cancelled(was_live=False)
            claim = await lanes.look(claims.claim_of, self._store.job(job_id))
            if claim is None:
                if await lanes.lasting(self._withdraw, job_id, request):
                    return Cancelled(was_live=True)
                continue  # a runner has just taken it
            if await self._is_suspended(job_id, claim.native_id):  # its runner would answer nobody
                break
            try:
                return await tell_to_stop(self._connect, job_id, request)
            except NoRunnerError:  # its runner is starting or ending
                if attempt + 1 < _ATTEMPTS:
                    await asyncio.sleep(_BETWEEN_ATTEMPTS_S)
            except RunnerTimeoutError:
                break
        return await self._through_slurm(job_id, request)

    def _withdraw(self, job_id: str, request: StopRequest) -> bool:
        job = self._store.job(job_id)
        if not claims.withdraw(job, request):
            return False
        end(self._store, job_id, withdrawn(request))
        if native_id := self._seeing.noted(job).native_id:
            # The engine may be silent for long, and the job is withdrawn without it: see SlurmPlace.tend.
            asking = threading.Thread(target=self._take_out, args=(native_id,), name="scancel", daemon=True)
            asking.start()
            asking.join(_ASK_PATIENCE_S)
        return True

    def _take_out(self, native_id: str) -> None:
        try:
            self._commands.cancel(native_id, only_pending=True)
        except EngineUnreachableError:
            return  # it is asked again as long as it lists such a job

    # -- where no way leads to the runner --------------------------------------------------------------------------

    async def _through_slurm(self, job_id: str, request: StopRequest) -> Cancelled:
        job = self._store.job(job_id)
        claim = await lanes.look(claims.claim_of, job) or Claim()
        native_id = claim.native_id or (await lanes.look(self._seeing.noted, job)).native_id
        line = await self._line(job_id, native_id)
        if line is not None and not states.is_over(line.state):
            await lanes.lasting(self._commands.cancel, native_id)
        was_live = line is not None and not states.is_over(line.state)
        deadline = time.monotonic() + _ENGINE_PATIENCE_S
        over_since: float | None = None
        while True:
            seen = await lanes.look(self._seeing.seen, job_id)
            if seen is None or (seen.state is State.EXITED and not seen.sweep):
                return Cancelled(was_live)
            now = time.monotonic()
            line = await self._line(job_id, native_id)
            if line is None or states.is_over(line.state):
                over_since = over_since or now
                if now - over_since >= self._seeing.grace_s:
                    break
            elif now > deadline:
                raise RunnerSilentError(
                    f"job {job_id} is not dead: Slurm was asked to end its job {native_id} on {line.nodes}, and says "
                    f"that it is {line.state}; its node may be off, and Slurm will say so in time"
                )
            await asyncio.sleep(_BETWEEN_LOOKS_S)
        if was_live:
            await lanes.write(end, self._store, job_id, killed_by("Slurm", request))
            return Cancelled(was_live=True)
        if line is None and await lanes.look(lives, job, time.time()):
            raise RunnerSilentError(
                f"job {job_id} may be alive: Slurm has no job {native_id} of ours any more, as after a controller has "
                f"lost its state, and its runner on {claim.node or 'its node'} cannot be reached, but wrote something "
                "within the last two minutes; try again later, or end it on its node"
            )
        await lanes.write(end, self._store, job_id, await lanes.look(self._seeing.end_in_slurm, job, line))
        return Cancelled(was_live=False)

    async def _is_suspended(self, job_id: str, native_id: str) -> bool:
        """Tell whether Slurm has suspended a job, and has not resumed it meanwhile."""
        if not await lanes.look(self._seeing.is_suspended, job_id):
            return False
        try:
            line = await self._line(job_id, native_id)
        except EngineUnreachableError:  # the runner will tell
            return False
        return line is not None and line.state == states.SUSPENDED

    async def _line(self, job_id: str, native_id: str) -> Line | None:
        """Return Slurm's entry for a job, ``None`` if it has none that is ours."""
        if not native_id:
            return None
        try:
            lines = await lanes.lasting(self._commands.look_up, native_id)
        except EngineUnreachableError as error:
            raise EngineUnreachableError(
                f"nothing was stopped: the runner of job {job_id} cannot be reached, and {error}; try again when Slurm "
                "answers, or end the job on its node"
            ) from error
        return next((line for line in lines if line.job_id == job_id), None)
