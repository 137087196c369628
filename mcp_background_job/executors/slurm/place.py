"""Jobs on the nodes of a Slurm cluster.

Their runners are on other machines. So nothing here asks the kernel: what is true of a job is what its files say, and
what Slurm said last.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Coroutine, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from mcp_background_job.core.states import State
from mcp_background_job.errors import BackgroundJobError, EngineUnreachableError, StateDirError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.base import Cancelled, Submitted
from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.nodes.ending import end
from mcp_background_job.executors.nodes.kin import Kin
from mcp_background_job.executors.nodes.package import runner_package
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.slurm import late, states
from mcp_background_job.executors.slurm.commands import Commands, Control
from mcp_background_job.executors.slurm.options import read
from mcp_background_job.executors.slurm.seeing import Seeing
from mcp_background_job.executors.slurm.submitting import Site, Submitting
from mcp_background_job.executors.slurm.watcher import POLL_S, Watcher
from mcp_background_job.jobdir.control import LOOK_TIMEOUT_S, NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest
from mcp_background_job.jobdir.usage import newest

if TYPE_CHECKING:
    from mcp_background_job.executors.overview import Overview
    from mcp_background_job.executors.slurm.cancelling import Cancelling
    from mcp_background_job.executors.slurm.channel import Channels, NodeClient
    from mcp_background_job.executors.slurm.leg import Leg
    from mcp_background_job.executors.usage import Usage
    from mcp_background_job.executors.waits import Waits

#: A job that nobody can be connected to is looked at so often: files on a server, most often.
_LOOK_AGAIN_S = 1.0


class SlurmPlace:
    """Runs jobs on a cluster; see ``Place`` for what is not said here."""

    name = "slurm"

    def __init__(
        self,
        root: StateDir,
        commands: Commands,
        site: Site,
        *,
        family: Sequence[StateDir] = (),
        poll_s: float = POLL_S,
    ) -> None:
        """Names the directory that all nodes share, and all in which relatives of jobs may be."""
        self._commands = commands
        self._watcher = Watcher(root.path, commands, poll_s=poll_s)
        self.store = NodeStore(root, "MCP_BG_SLURM_DIR")
        self._seeing = Seeing(self.store, self._watcher, commands.cluster)
        self.store.changed_elsewhere_at = self._seeing.changed_at
        self._family = Family(family or (root,))
        self._kin = Kin(self.store, self._family)
        self._background = Background()
        self._submitting = Submitting(
            self.store, commands, self._watcher, self._background, site=site, family=self._family
        )
        self._cared_for: set[str] = set()
        self._tended_at = 0.0

    @cached_property
    def _channels(self) -> Channels:
        from mcp_background_job.executors.slurm.channel import Channels  # noqa: PLC0415  many a command talks to nobody

        return Channels(self._commands, self._seeing.end_was_told)

    @cached_property
    def _cancelling(self) -> Cancelling:
        from mcp_background_job.executors.slurm.cancelling import Cancelling  # noqa: PLC0415  see above

        return Cancelling(self.store, self._commands, self._seeing, self.connect)

    @classmethod
    def of(
        cls,
        root: str,
        environment: dict[str, str],
        *,
        family: Sequence[StateDir] = (),
        options: str = "",
        python: str = "python3",
        poll_s: float = POLL_S,
        control: Control = "srun",
    ) -> Self:
        """Put the place together.

        Args:
            root: the directory that all nodes share.
            environment: ours, which says where the cluster is.
            family: all directories in which relatives of jobs may be.
            options: what is asked of Slurm for each job.
            python: of the nodes.
            poll_s: seconds between two questions to Slurm for which users are the cause, at least.
            control: how runners on nodes are talked to.

        Raises:
            InvalidRequestError: the options cannot be asked for.
        """
        site = Site(read(options), python)
        return cls(StateDir(root), Commands(environment, control=control), site, family=family, poll_s=poll_s)

    def check(self, asked: str) -> None:
        """Check what is asked of Slurm for a job."""
        self._submitting.asked(asked)

    async def launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        """Record the job, then submit it."""
        submitted = await self._submitting.launch(spec, wait_for_report=wait_for_report)
        # On record first and looked for afterwards: see ``jobdir.ancestry``.
        if spec.ancestors and (stop := await lanes.look(self._family.stop_of, spec.ancestors)):
            await self.cancel(spec.job_id, stop)
        return submitted

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        """Read the jobs' files, and what Slurm said last, which is asked again if that was long ago."""
        seen: dict[str, Observation] = {}
        is_asked = False
        for job_id in job_ids:
            one = self._seeing.seen(job_id)
            if one and not is_asked and (one.state is not State.EXITED or one.sweep):
                is_asked = True
                if not self._is_connected(job_id):
                    self._watcher.look()
                    one = self._seeing.seen(job_id)
            if one:
                seen[job_id] = one
        return seen

    def _is_connected(self, job_id: str) -> bool:
        return "_channels" in vars(self) and self._channels.is_open(job_id)

    def has_runner(self, job_id: str) -> bool:
        """Look whether one has taken the job."""
        job = self.store.job(job_id)
        return claims.is_claimed(job) and not job.has_exit

    async def connect(self, job_id: str) -> NodeClient:
        """Connect to a job's runner on its node."""
        claim = await lanes.look(self._claim_of_live, job_id)
        if claim is None or not claim.native_id:
            raise NoRunnerError(job_id)
        return await self._channels.connect(self.store.job(job_id), claim.native_id)

    def _claim_of_live(self, job_id: str) -> claims.Claim | None:
        job = self.store.job(job_id)
        return None if job.has_exit else claims.claim_of(job)

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job: by its runner, by Slurm, or by keeping it from starting."""
        return await self._cancelling.cancel(job_id, request)

    async def care(self, job_id: str) -> None:
        """Record the end of a job that Slurm says is over; what is left of it is Slurm's to clear away."""
        with contextlib.suppress(OSError):  # a full disk: the next look tries again
            await lanes.write(self._record_end, job_id)

    def _record_end(self, job_id: str) -> None:
        late.look_anew(self.store.job(job_id))
        seen = self._seeing.seen(job_id)
        if seen and seen.sweep and seen.exit:
            end(self.store, job_id, seen.exit)

    def care_later(self, job_id: str) -> None:
        """The same, without waiting for it."""
        self._once(job_id, self.care(job_id))

    def _once(self, job_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Have something done for a job that nobody waits for, unless something is being done already."""
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

    async def tend(self) -> None:
        """Confirm or repeat submissions, ask Slurm when it is time for it, and record what it says has ended."""
        await self._submitting.finish_others()
        if await lanes.look(self.store.has_marks):
            await lanes.look(self._watcher.wait_for_turn)
        picture = self._watcher.picture
        if picture.answered_at != self._tended_at:
            self._tended_at = picture.answered_at
            await lanes.lasting(self._tidy)
        for job_id in await lanes.look(self._over):
            self.care_later(job_id)
        for job_id, stop in (await lanes.look(self._kin.bereaved)).items():
            self._once(job_id, self._end_with_ancestor(job_id, stop))

    async def _end_with_ancestor(self, job_id: str, stop: StopRequest) -> None:
        with contextlib.suppress(BackgroundJobError):  # whoever tends next tries again
            await self.cancel(job_id, stop)

    def _over(self) -> list[str]:
        """Return the open jobs that Slurm says are over, or does not know."""
        jobs = self._watcher.picture.jobs
        suspects = [
            job_id
            for job_id in self.store.open_jobs()
            if all(states.is_over(known.line.state) for known in jobs.get(job_id, ()))
        ]
        return [job_id for job_id in suspects if (seen := self._seeing.seen(job_id)) and seen.sweep]

    def _tidy(self) -> None:
        """Take out of Slurm's queue what was withdrawn while Slurm did not answer, or was not known to have it.

        And see to it that those that it has begun do not seem to wait, because their claims show late.
        """
        for job_id, known in self._watcher.picture.jobs.items():
            if self.store.is_queued(job_id) and any(one.line.state not in states.PENDING for one in known):
                late.look_anew(self.store.job(job_id))
            for one in known:
                # One without a directory here is of another root of this user.
                if one.line.state in states.PENDING and self.store.job(job_id).has_exit:
                    with contextlib.suppress(EngineUnreachableError):  # the next time
                        self._commands.cancel(one.line.native_id, only_pending=True)

    async def serve(self) -> None:
        """Slurm serves its queue itself."""

    def is_suspended(self, seen: Observation) -> bool:  # noqa: ARG002  other places look at it
        """Nobody here sees its processes."""
        return False

    def usage_seen(self, job_id: str, seen: Observation) -> Usage | None:
        """Read the job's newest sample, which its runner takes every few seconds."""
        from mcp_background_job.executors import usage  # noqa: PLC0415  see above

        if seen.state is not State.RUNNING:
            return None
        sample = newest(self.store.job(job_id).usage)
        return usage.from_sample(sample) if sample else None

    async def usage(self, job_id: str) -> Usage | None:
        """Ask the job's runner if somebody is connected to it anyhow, else read its newest sample."""
        from mcp_background_job.executors import usage  # noqa: PLC0415  see above

        if self._is_connected(job_id) and (answer := await self._answer(job_id, {"op": "usage", "pss": False})):
            return usage.from_answer(answer)
        seen = (await lanes.look(self.look, [job_id])).get(job_id)
        return await lanes.look(self.usage_seen, job_id, seen) if seen else None

    async def waits(self, job_id: str) -> Waits | None:
        """Ask the job's runner if somebody is connected to it anyhow: a list of jobs must not reach out to each."""
        from mcp_background_job.executors.waits import Waits  # noqa: PLC0415  see above

        answer = await self._answer(job_id, {"op": "waits"}) if self._is_connected(job_id) else None
        return Waits.from_answer(answer) if answer else None

    async def leg(self, job_id: str, port: int) -> Leg:
        """Connect to a port of 127.0.0.1 where a job runs, if a process of the job listens there."""
        claim = await lanes.look(self._claim_of_live, job_id)
        if claim is None or not claim.native_id:
            raise NoRunnerError(job_id)
        return await self._channels.leg(self.store.job(job_id), claim.native_id, port)

    async def port_is_open(self, job_id: str, port: int, address: str | None = None) -> bool:
        """Ask the job's runner."""
        at = {} if address is None else {"address": address}
        answer = await self._answer(job_id, {"op": "port", "port": port, **at})
        return answer is not None and answer.get("listening") is True

    async def port_is_taken(self, job_id: str, port: int) -> bool:  # noqa: ARG002  who sees the node looks
        """Nobody here sees the node."""
        return False

    async def _answer(self, job_id: str, request: dict[str, object]) -> dict[str, object] | None:
        """Return what a job's runner answers, ``None`` if it does not, or cannot."""
        try:
            async with await self.connect(job_id) as channel:
                answer = await channel.ask(request, LOOK_TIMEOUT_S)
        except (NoRunnerError, RunnerTimeoutError):
            return None
        return None if answer is None or "error" in answer else answer

    def look_again_s(self, seen: Observation | None) -> float:  # noqa: ARG002  other places look at the state
        """Files of other machines are not looked at often."""
        return _LOOK_AGAIN_S

    async def overview(self) -> Overview:
        """Ask Slurm for its nodes."""
        from mcp_background_job.executors.slurm.overview import overview  # noqa: PLC0415  see above

        return await lanes.lasting(overview, self._commands, self.name)

    def health(self) -> str | None:
        """Return what is wrong with the root."""
        return self.store.health()

    async def start(self) -> None:
        """Pack the runner for the nodes, which takes half a second, unless nothing was ever submitted from here."""
        if await lanes.look(os.path.isdir, self.store.state.path):
            with contextlib.suppress(StateDirError):  # whoever submits will be told
                await lanes.lasting(runner_package, self.store.state.path)

    async def finish(self) -> None:
        """Wait for submissions under way, and hang up."""
        await self._background.finish()
        if "_channels" in vars(self):
            await self._channels.close()

    def close(self) -> None:
        """Let go of what asks Slurm."""
        self._commands.close()
