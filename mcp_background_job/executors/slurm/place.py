"""The place for jobs on the nodes of a Slurm cluster.

Their runners are on other machines, so nothing here asks the kernel: the state of a job follows from its files, and
from Slurm's last answer.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

from mcp_background_job.core.states import State
from mcp_background_job.errors import EngineUnreachableError, StateDirError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Cancelled
from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.nodes.package import runner_package
from mcp_background_job.executors.nodes.place import NodePlace
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.nodes.watcher import POLL_S, Watcher
from mcp_background_job.executors.slurm import late, states
from mcp_background_job.executors.slurm.commands import Commands, Control
from mcp_background_job.executors.slurm.options import read
from mcp_background_job.executors.slurm.seeing import Seeing
from mcp_background_job.executors.slurm.submitting import Site, Submitting
from mcp_background_job.jobdir.control import NoRunnerError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import StopRequest

if TYPE_CHECKING:
    from mcp_background_job.executors.overview import Overview
    from mcp_background_job.executors.slurm.cancelling import Cancelling
    from mcp_background_job.executors.slurm.channel import Channels, NodeClient
    from mcp_background_job.executors.slurm.leg import Leg


class SlurmPlace(NodePlace[Submitting]):
    """Runs jobs on a Slurm cluster; see ``Place`` for the rest."""

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
        """Takes the nodes' shared directory, Slurm's commands, the site, and the directories of relatives."""
        super().__init__(NodeStore(root, "MCP_BG_SLURM_DIR"), Family(family or (root,)))
        self._commands = commands
        self._watcher = Watcher(root.path, commands, called="squeue", poll_s=poll_s)
        self._seeing = Seeing(self.store, self._watcher, commands.cluster)
        self.store.changed_elsewhere_at = self._seeing.changed_at
        self._submitting = Submitting(
            self.store, commands, self._watcher, self._background, site=site, family=self._family
        )
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
        """Make the place with its parts.

        Args:
            root: the directory that all nodes share.
            environment: our environment, which says where the cluster is.
            family: all directories that may have relatives of jobs.
            options: the default wishes of each job.
            python: the Python of the nodes.
            poll_s: the least seconds between two questions to Slurm that users cause.
            control: the way to runners on nodes.

        Raises:
            InvalidRequestError: a default wish cannot be used.
        """
        site = Site(read(options), python)
        return cls(StateDir(root), Commands(environment, control=control), site, family=family, poll_s=poll_s)

    def check(self, asked: str) -> None:
        """Check a job's wishes to Slurm."""
        self._submitting.asked(asked)

    def seen(self, job_id: str) -> Observation | None:
        """Read the job's files, and Slurm's last answer."""
        return self._seeing.seen(job_id)

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        """Read the jobs' files, and Slurm's last answer, which is renewed if it is old."""
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

    def _record_end(self, job_id: str) -> None:
        late.look_anew(self.store.job(job_id))
        super()._record_end(job_id)

    async def tend(self) -> None:
        """Confirm or repeat submissions, ask Slurm when it is time to, and record the jobs that it reports as ended."""
        await self._submitting.finish_others()
        if await lanes.look(self.store.has_marks):
            await lanes.look(self._watcher.wait_for_turn)
        picture = self._watcher.picture
        if picture.answered_at != self._tended_at:
            self._tended_at = picture.answered_at
            await lanes.lasting(self._tidy)
        for job_id in await lanes.look(self._over):
            self.care_later(job_id)
        await self._end_the_bereaved()

    def _over(self) -> list[str]:
        """Return the open jobs that Slurm reports as over, or does not know."""
        jobs = self._watcher.picture.jobs
        suspects = [
            job_id
            for job_id in self.store.open_jobs()
            if all(states.is_over(known.line.state) for known in jobs.get(job_id, ()))
        ]
        return [job_id for job_id in suspects if (seen := self._seeing.seen(job_id)) and seen.sweep]

    def _tidy(self) -> None:
        """Remove from Slurm's queue the jobs that were withdrawn while Slurm did not answer, or did not show them.

        Also make the claims of jobs that Slurm has begun visible, so that these jobs do not seem to wait.
        """
        for job_id, known in self._watcher.picture.jobs.items():
            if self.store.is_queued(job_id) and any(one.line.state not in states.PENDING for one in known):
                late.look_anew(self.store.job(job_id))
            for one in known:
                # A job without a directory here belongs to another root of this user.
                if one.line.state in states.PENDING and self.store.job(job_id).has_exit:
                    with contextlib.suppress(EngineUnreachableError):  # next time
                        self._commands.cancel(one.line.native_id, only_pending=True)

    async def leg(self, job_id: str, port: int) -> Leg:
        """Connect to a port of 127.0.0.1 where a job runs, if a process of the job listens there."""
        claim = await lanes.look(self._claim_of_live, job_id)
        if claim is None or not claim.native_id:
            raise NoRunnerError(job_id)
        return await self._channels.leg(self.store.job(job_id), claim.native_id, port)

    async def overview(self) -> Overview:
        """Ask Slurm for its nodes."""
        from mcp_background_job.executors.slurm.overview import overview  # noqa: PLC0415  see above

        return await lanes.lasting(overview, self._commands, self.name)

    async def start(self) -> None:
        """Pack the runner for the nodes, which takes half a second, unless nothing was ever submitted from here."""
        if await lanes.look(os.path.isdir, self.store.state.path):
            with contextlib.suppress(StateDirError):  # the next submission reports it
                await lanes.lasting(runner_package, self.store.state.path)

    async def finish(self) -> None:
        """Wait for submissions under way, and close connections."""
        await self._background.finish()
        if "_channels" in vars(self):
            await self._channels.close()

    def close(self) -> None:
        """End questions to Slurm that are under way."""
        self._commands.close()
