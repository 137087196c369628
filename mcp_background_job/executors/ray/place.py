"""The place for jobs on the nodes of a Ray cluster.

Their files are not visible here. So the state of a job follows from the files that were fetched, and from Ray's last
answer.
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

#: The least seconds between two questions to Ray that users cause: its answer has all jobs of all users.
POLL_S = 5.0

#: Seconds that a look at jobs waits for news of them.
PATIENCE_S = 0.2

#: Seconds for which fetched news count as fresh: a page that shows a job looks at it several times.
_FRESH_S = 0.05

#: Seconds for which a submitted job's runner is looked for, since it may begin soon; later Ray's word says when to.
_YOUNG_S = 30.0
_LEARN_AGAIN_S = 0.5

#: Seconds between two looks for an ended job's output: Ray writes it before it reports the end.
_COMPLETE_AGAIN_S = 2.0


#: The most jobs for which the time of the last fetch is remembered.
_KEPT = 20_000

#: If a node does not answer so many seconds after Ray reported the end of its job, it is gone, and the log with it.
_GRACE_S = 20.0


class RayPlace(NodePlace[Submitting]):
    """Runs jobs on a Ray cluster; see ``Place`` for the rest."""

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
        """Takes the directory for files of jobs, Ray's head, and the default wishes of each job.

        Raises:
            InvalidRequestError: a default wish cannot be used.
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
        """Make the place with its parts.

        Args:
            root: the directory for the files of jobs.
            address: address of the head's dashboard.
            token: the token for the dashboard.
            options: the default wishes of each job.
            family: all directories that may have relatives of jobs.
            poll_s: the least seconds between two questions to Ray that users cause.

        Raises:
            InvalidRequestError: a default wish cannot be used.
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
        """Check a job's wishes to Ray."""
        self._submitting.asked(asked)

    # -- looking ---------------------------------------------------------------------------------------------------

    def seen(self, job_id: str) -> Observation | None:
        """Read the files of a job that are here, and Ray's last answer."""
        return self._seeing.seen(job_id)

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        """Fetch news as far as that is quick, ask Ray if its answer is old, and read the files that are here."""
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
        """Begin to fetch news of jobs, in a thread that a caller may wait for; one at a time."""
        with self._turn:
            if self._fetching is None or not self._fetching.is_alive():
                # Not a thread of a lane: at its end, this process must not wait for a silent node.
                self._fetching = threading.Thread(target=self._fetch_all, args=(job_ids,), name="fetch", daemon=True)
                self._fetching.start()
            return self._fetching

    def _fetch_all(self, job_ids: list[str]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        # The jobs whose last fetch is oldest come first: if there are thousands, the others have their turn next time.
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
        if not noted.asked_at:  # the job that it is to run after may have completed
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
            self._mirror.complete(job, noted)  # the runner is gone; Ray may report the end later

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
        """Find out how a job ended that Ray reports as over, unless its runner still answers."""
        is_late = self._is_late(job_id, noted)
        for _ in range(2):  # a runner that the log shows only now may have ended since, and then the log has its end
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
        """Tell whether the address of a job's runner is known."""
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
                return  # this process knows how it ended; the rest of its output comes with a later record
        super()._record_end(job_id)

    async def tend(self) -> None:
        """Continue submissions and withdrawals, ask Ray when it is time to, and record jobs that have ended."""
        await self._submitting.finish_others()
        if await lanes.look(self.store.has_marks):
            await lanes.look(self._watcher.wait_for_turn)
        for job_id in await lanes.look(self.store.open_jobs):
            await self._tend(job_id)
        # No event says that a job's turn has come, for which others wait.
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
        """Wait for submissions under way, and record ends that only this process knows."""
        await self._background.finish()
        for job_id in await lanes.look(self.store.open_jobs):
            if record := self._seeing.told_end(job_id):
                with contextlib.suppress(OSError):  # Ray's log has it
                    await lanes.write(end, self.store, job_id, record, is_certain=True)

    def close(self) -> None:
        """Do nothing: no connection stays open between two questions."""
