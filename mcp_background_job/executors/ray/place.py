"""Jobs on the nodes of a Ray cluster.

Nobody here sees their files. So what is true of a job is what was fetched of it, and what Ray said last.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

from mcp_background_job.core.states import State
from mcp_background_job.errors import EngineUnreachableError, InvalidRequestError, LaunchError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Cancelled
from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.nodes.ending import end
from mcp_background_job.executors.nodes.place import NodePlace
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.nodes.watcher import Watcher
from mcp_background_job.executors.ray import native, states
from mcp_background_job.executors.ray.mirror import Mirror
from mcp_background_job.executors.ray.native import Noted
from mcp_background_job.executors.ray.options import read
from mcp_background_job.executors.ray.rest import Head, UnsureError
from mcp_background_job.executors.ray.seeing import Seeing
from mcp_background_job.executors.ray.submitting import Submitting
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import StopRequest

if TYPE_CHECKING:
    from mcp_background_job.executors.overview import Overview
    from mcp_background_job.executors.ray.cancelling import Cancelling
    from mcp_background_job.executors.ray.channel import Channels, RayClient

#: Seconds between two questions to Ray for which users are the cause, at least: its answer has all jobs of all users.
POLL_S = 5.0

#: Who looks at jobs waits so long for what is new of them.
PATIENCE_S = 0.2

#: What was fetched so shortly ago is not fetched again: a page that shows a job looks at it several times.
_FRESH_S = 0.05

#: A job that has just been submitted begins within seconds, and is looked for; later Ray says when that is worthwhile.
_YOUNG_S = 30.0
_LEARN_AGAIN_S = 0.5

#: Ray writes what a job has printed before it says that the job is over.
_COMPLETE_AGAIN_S = 2.0


#: Of so many jobs it is remembered when they were fetched.
_KEPT = 20_000

#: A node that does not answer so long after Ray said that its job was over is gone, and the log with it.
_GRACE_S = 20.0


class RayPlace(NodePlace[Submitting]):
    """Runs jobs on a cluster; see ``Place`` for what is not said here."""

    name = "ray"
    is_apart = True

    def __init__(
        self,
        root: StateDir,
        head: Head,
        *,
        options: str = "",
        family: Sequence[StateDir] = (),
        poll_s: float | None = None,
    ) -> None:
        """Takes where files of jobs are kept, and who takes jobs; and what is asked for each.

        Raises:
            InvalidRequestError: the options cannot be asked for.
        """
        super().__init__(NodeStore(root, "MCP_BG_RAY_DIR"), Family(family or (root,)))
        self._head = head
        self._watcher = Watcher(root.path, head, called="ray", poll_s=POLL_S if poll_s is None else poll_s)
        self._seeing = Seeing(self.store, self._watcher, head.cluster)
        self.store.changed_elsewhere_at = self._seeing.changed_at
        self._mirror = Mirror(self.store, head)
        self._submitting = Submitting(
            self.store, head, self._watcher, self._background, defaults=read(options), family=self._family
        )
        self._fetched_at: dict[str, float] = {}
        self._fetching: threading.Thread | None = None
        self._turn = threading.Lock()

    @classmethod
    def of(
        cls,
        root: str,
        address: str,
        token: str,
        *,
        options: str = "",
        family: Sequence[StateDir] = (),
        poll_s: float | None = None,
    ) -> Self:
        """Put the place together.

        Args:
            root: where the files of jobs are kept.
            address: of the head's dashboard.
            token: that it asks for.
            options: what is asked of Ray for each job.
            family: all directories in which relatives of jobs may be.
            poll_s: seconds between two questions to Ray for which users are the cause, at least.

        Raises:
            InvalidRequestError: the options cannot be asked for.
        """
        return cls(StateDir(root), Head(address, token), options=options, family=family, poll_s=poll_s)

    @cached_property
    def _channels(self) -> Channels:
        from mcp_background_job.executors.ray.channel import Channels  # noqa: PLC0415  many a command talks to nobody

        return Channels(self._mirror, self._seeing.end_was_told)

    @cached_property
    def _cancelling(self) -> Cancelling:
        from mcp_background_job.executors.ray.cancelling import Cancelling  # noqa: PLC0415  see above

        return Cancelling(self.store, self._head, self._seeing, self._mirror, self.connect)

    def check(self, asked: str) -> None:
        """Check what is asked of Ray for a job."""
        self._submitting.asked(asked)

    # -- looking ---------------------------------------------------------------------------------------------------

    def seen(self, job_id: str) -> Observation | None:
        """Read what is here of a job, and what Ray said last."""
        return self._seeing.seen(job_id)

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        """Fetch what is new as far as that is quick, ask Ray if that was long ago, and read what is here."""
        seen = {job_id: one for job_id in job_ids if (one := self._seeing.seen(job_id))}
        live = [job_id for job_id, one in seen.items() if one.state is not State.EXITED or one.sweep]
        if not live:
            return seen
        self._head.get_ready()
        if not all(map(self._is_connected, live)):
            self._watcher.look()
        self._fetch(live).join(PATIENCE_S)
        return seen | {job_id: one for job_id in live if (one := self._seeing.seen(job_id))}

    def _fetch(self, job_ids: list[str]) -> threading.Thread:
        """Begin to fetch what is new of jobs, in a thread that whoever wants to may wait for; one at a time."""
        with self._turn:
            if self._fetching is None or not self._fetching.is_alive():
                # No thread of a lane: at the end of this process nobody shall wait for a node that is silent.
                self._fetching = threading.Thread(target=self._fetch_all, args=(job_ids,), name="fetch", daemon=True)
                self._fetching.start()
            return self._fetching

    def _fetch_all(self, job_ids: list[str]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        # Those that were not fetched for longest come first: of thousands, others have their turn the next time.
        for job_id in sorted(job_ids, key=lambda job_id: self._fetched_at.get(job_id, 0.0)):
            with contextlib.suppress(EngineUnreachableError, RunnerTimeoutError, OSError):  # shown as it was
                self._fetch_one(job_id)
            if time.monotonic() > deadline:
                return

    def _fetch_one(self, job_id: str) -> None:
        job = self.store.job(job_id)
        noted = native.read(job)
        if noted is None or job.has_exit:
            return
        if not noted.asked_at:  # what it was to run after may have completed
            spec = self.store.spec(job_id)
            for other in spec.after if spec else ():
                self._fetch_one(other)
            self._submitting.go_on(job_id)
            return
        word = self._seeing.word(job_id, noted)
        known = self._seeing.known(job_id, noted)
        has_waited = states.has_waited_too_long(word, known.line.reason if known else "")
        is_over = states.is_over(word) and not has_waited
        if not self._is_due(job_id, _COMPLETE_AGAIN_S if is_over else _FRESH_S):
            return
        if is_over:
            self._complete(job_id, noted)
        elif self._learn(job_id, noted, word) and not self._mirror.refresh(job):
            self._mirror.complete(job, noted)  # nobody is there any more: Ray may say it later

    def _is_due(self, job_id: str, after_s: float) -> bool:
        now = time.monotonic()
        if now - self._fetched_at.get(job_id, 0.0) < after_s:
            return False
        if len(self._fetched_at) >= _KEPT:
            self._fetched_at.clear()
        self._fetched_at[job_id] = now
        return True

    def _learn(self, job_id: str, noted: Noted, word: str | None) -> bool:
        """Find out where a job's runner is, if it may have begun; returns whether it has."""
        if self.has_address(job_id):
            return True
        is_young = time.time() - noted.asked_at < _YOUNG_S
        if word != states.RUNNING and not is_young:
            return False
        return self._is_due(f"{job_id} begins", _LEARN_AGAIN_S) and self._mirror.learn(self.store.job(job_id), noted)

    def _complete(self, job_id: str, noted: Noted) -> None:
        """Find out how a job ended that is over as Ray says, unless its runner is there all the same."""
        is_late = self._is_late(job_id, noted)
        for _ in range(2):  # a runner of which the log tells now may have ended since, and the log tells that then
            if self._is_there(job_id, is_late=is_late):
                self._seeing.without_record.discard(job_id)
                return
            try:
                if self._mirror.complete(self.store.job(job_id), noted):
                    return
            except EngineUnreachableError:  # its node may be gone, and the log with it
                if not is_late:
                    raise
        self._seeing.without_record.add(job_id)

    def _is_late(self, job_id: str, noted: Noted) -> bool:
        known = self._seeing.known(job_id, noted)
        return known is None or time.time() - known.since >= _GRACE_S

    def _is_there(self, job_id: str, *, is_late: bool) -> bool:
        try:
            return self.has_address(job_id) and self._mirror.refresh(self.store.job(job_id))
        except RunnerTimeoutError:
            if not is_late:
                raise
            return False

    def has_address(self, job_id: str) -> bool:
        """Tell whether it is known where a job's runner is."""
        from mcp_background_job.jobdir import address  # noqa: PLC0415  see above

        return address.read(self.store.job(job_id)) is not None

    def _is_connected(self, job_id: str) -> bool:
        return "_channels" in vars(self) and self._channels.is_open(job_id)

    async def connect(self, job_id: str) -> RayClient:
        """Connect to a job's runner on its node."""
        noted = await lanes.look(self._noted_of_live, job_id)
        if noted is None:
            raise NoRunnerError(job_id)
        try:
            await lanes.lasting(self._learn, job_id, noted, self._seeing.word(job_id, noted))
        except EngineUnreachableError as error:
            raise NoRunnerError(str(error)) from error
        return await self._channels.connect(self.store.job(job_id), noted)

    def _noted_of_live(self, job_id: str) -> Noted | None:
        job = self.store.job(job_id)
        noted = None if job.has_exit or self._seeing.told_end(job_id) else native.read(job)
        return noted if noted and noted.asked_at else None

    # -- ending ----------------------------------------------------------------------------------------------------

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job: by its runner, by Ray, or by keeping it from starting."""
        return await self._cancelling.cancel(job_id, request)

    def _record_end(self, job_id: str) -> None:
        noted = native.read(self.store.job(job_id))
        if noted and noted.asked_at and self._seeing.told_end(job_id):
            try:
                self._mirror.complete(self.store.job(job_id), noted)
            except EngineUnreachableError:
                return  # how it ended is known to this process, and the rest of its output comes with that later
        super()._record_end(job_id)

    async def tend(self) -> None:
        """Go on with submissions and withdrawals, ask Ray when it is time for it, and record what has ended."""
        await self._submitting.finish_others()
        if await lanes.look(self.store.has_marks):
            await lanes.look(self._watcher.wait_for_turn)
        for job_id in await lanes.look(self.store.open_jobs):
            await self._tend(job_id)
        # Nobody tells here that the turn of one has come, which others wait for.
        if waiting := await lanes.look(self.store.waiting):
            await lanes.look(self._fetch, list(waiting))
        await self._end_the_bereaved()

    async def _tend(self, job_id: str) -> None:
        job = self.store.job(job_id)
        noted = await lanes.look(native.read, job)
        if noted is None or not noted.asked_at or job.has_exit:
            return
        if (claim := await lanes.look(claims.claim_of, job)) and claim.withdrawn:
            self._once(job_id, self._end_with_ancestor(job_id, claim.withdrawn))
            return
        word, known = self._seeing.word(job_id, noted), self._seeing.known(job_id, noted)
        if states.has_waited_too_long(word, known.line.reason if known else ""):
            with contextlib.suppress(EngineUnreachableError, UnsureError, LaunchError, InvalidRequestError):
                await lanes.lasting(self._submitting.submit_anew, job_id, noted)
        elif states.is_over(word):
            await lanes.look(self.look, [job_id])
            if (seen := await lanes.look(self._seeing.seen, job_id)) and seen.sweep:
                self.care_later(job_id)

    async def overview(self) -> Overview:
        """Ask Ray for its nodes."""
        from mcp_background_job.executors.ray.overview import overview  # noqa: PLC0415  see above

        return await lanes.lasting(overview, self._head, self.name)

    async def finish(self) -> None:
        """Wait for submissions under way, and write down ends that only this process knows of."""
        await self._background.finish()
        for job_id in await lanes.look(self.store.open_jobs):
            if record := self._seeing.told_end(job_id):
                with contextlib.suppress(OSError):  # Ray's log has it
                    await lanes.write(end, self.store, job_id, record, is_certain=True)

    def close(self) -> None:
        """Nothing is open between two questions."""
