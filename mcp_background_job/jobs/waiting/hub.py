"""One watcher per watched job, for all in this process who wait for the job.

A watcher holds the one connection to what runs the job, and keeps what it learns: what was seen of the job, how long
its log is, when it last wrote. Callers that wait for the job subscribe. Two hundred of them cost little more than one,
and a job that floods its log wakes them a few times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.executors.base import Channel
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.control import News, NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.indexing.view import started_at_of
from mcp_background_job.jobs.waiting.change import Change
from mcp_background_job.jobs.waiting.scan import Searches
from mcp_background_job.jobs.waiting.turns import Turns

#: An output size that no log reaches: the watcher wants to hear of the end only.
_NEVER = 2**62

#: Between the end of the command itself and the look that decides whether it left anything behind: what was signalled
#: together with the command dies with it, but not in the same instant.
_SETTLE_S = 0.05

#: After news of output, the watcher lets more of it come in before it asks again: one look for a burst. With many
#: subscribers it takes longer, so that all of them together do not take the processor from the rest.
_GATHER_S = 0.02
_GATHER_PER_SUBSCRIBER_S = 0.001
_LONGEST_GATHER_S = 0.5


class Watched:
    """A job that somebody in this process waits for.

    Attributes:
        seen: what its files said last; ``None`` before the first look.
        leader_exited: its command is known to be over.
        size: offset behind its newest byte that is known of; up to date for those who subscribed to its output.
        wrote_at: when it is known to have written last, in monotonic seconds; ``None`` if it never has. Likewise.
        life: changes when something may have changed in its life.
        output: changes with that, and with its output.
    """

    def __init__(self, hub: Hub, job_id: str) -> None:
        """Knows nothing yet; ``follow`` finds out."""
        self.seen: Observation | None = None
        self.leader_exited = False
        self.size = 0
        self.wrote_at: float | None = None
        self.life = Change()
        self.output = Change()
        self.subscribers = 0
        #: Of each who subscribed to its output, how seldom they need to hear of it (seconds).
        self.paces: list[float] = []
        self._hub = hub
        self._job_id = job_id
        self._channel: Channel | None = None

    async def refresh(self) -> Observation:
        """Look at the job's files now."""
        seen = (await lanes.look(self._hub.places.look, [self._job_id])).get(self._job_id)
        self.seen = seen or Observation(state=State.EXITED)  # its directory is gone
        status = self.seen.status
        self.leader_exited = self.leader_exited or (status is not None and status.leader_exit is not None)
        return self.seen

    async def look_for_newcomer(self) -> None:
        """Look at the job's files for a caller whose question is newer than what is known here."""
        known = self._life
        await self.refresh()
        if self._life != known:  # the runner is not asked again about what is known here, so the others would wait on
            self._tell_life()

    async def measure(self) -> None:
        """Find out how long the log is, and when it was written to last."""
        self.size, self.wrote_at = await lanes.look(self._measured)

    async def wish_for_output(self) -> None:
        """Have output told from now on."""
        known = self.size
        await self.measure()
        if self.size > known:  # as for a newcomer's look
            self.output.tell()
        if self._channel is not None:
            self._ask(self._channel)

    async def follow(self) -> None:
        """Keep all that up to date until the job is over."""
        try:
            await self._follow()
        except Exception as error:  # noqa: BLE001  whatever it is, it is for those who wait
            self.life.fail(error)
            self.output.fail(error)

    async def _follow(self) -> None:
        while True:
            seen = await self.refresh()
            if self.paces:
                await self.measure()  # after the look: all that an ended job wrote is there by then
            self._tell_life()
            if seen.state is State.EXITED:
                return
            try:
                channel = await self._hub.places.connect(self._job_id)
            except (NoRunnerError, RunnerTimeoutError):
                await self._hub.turns.next(self._job_id, seen)
                continue
            async with channel:
                self._channel = channel
                try:
                    await self._listen(channel)
                finally:
                    self._channel = None

    async def _listen(self, channel: Channel) -> None:
        """Take what the runner tells until it hangs up."""
        self._ask(channel)
        gathers = False
        while True:
            try:
                # No news are asked for while output gathers. The end of the job comes all the same, and at once.
                async with asyncio.timeout(self._gather_s if gathers else None):
                    news = await channel.news()
            except TimeoutError:
                gathers = False
                self._ask(channel)
                continue
            if news is None:
                return
            await self._take(news, channel)
            gathers = True

    @property
    def _gather_s(self) -> float:
        """How long output is let come in before anybody looks at it."""
        return max(self._hub.gather_s, min(self.paces, default=0.0))

    async def _take(self, news: News, channel: Channel) -> None:
        if news.size > self.size:
            self.size, self.wrote_at = news.size, time.monotonic()
        if news.leader_exited and not self.leader_exited:
            self.leader_exited = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SETTLE_S):
                    await channel.ended()
            await self.refresh()
            self._tell_life()
        else:
            self.output.tell()

    def _ask(self, channel: Channel) -> None:
        # The runner knows one question of each connection. A second one takes the place of the first.
        channel.ask_for_news(self.size if self.paces else _NEVER, leader_exited=self.leader_exited)

    def _measured(self) -> tuple[int, float | None]:
        store = self._hub.places.store_of(self._job_id)
        last = store.last_output_at(self._job_id)
        # The time of the file becomes one of a clock that does not jump: a jump must not count as silence.
        silence = 0.0 if last is None or self._clock_has_jumped() else max(0.0, time.time() - last)
        wrote_at = None if last is None else time.monotonic() - silence
        return store.log_extent(self._job_id)[1], wrote_at

    def _clock_has_jumped(self) -> bool:
        """Tell whether the clock was set since the job was started: then the time of a file tells nothing."""
        status = self.seen.status if self.seen else None
        return status is not None and started_at_of(status) != status.started_at

    @property
    def _life(self) -> tuple[State | None, bool]:
        return self.seen and self.seen.state, self.leader_exited

    def _tell_life(self) -> None:
        self.life.tell()
        self.output.tell()


class Hub:
    """All watched jobs of this process.

    Attributes:
        subscribers: how many wait, for whichever job.
        searches: searches in their output, each shared by all who look for the same.
    """

    def __init__(self, places: Places) -> None:
        """Watches nothing until somebody waits."""
        self.places = places
        self.turns = Turns(places)
        self.searches = Searches()
        self._watched: dict[str, tuple[Watched, asyncio.Task[None]]] = {}
        self.subscribers = 0

    @property
    def gather_s(self) -> float:
        """How long output is let come in at least: what all who wait cost is spread."""
        return min(max(_GATHER_S, _GATHER_PER_SUBSCRIBER_S * self.subscribers), _LONGEST_GATHER_S)

    @contextlib.asynccontextmanager
    async def watching(self, job_id: str, *, output: bool, every_s: float = 0.0) -> AsyncGenerator[Watched]:
        """Subscribe to a job: to its life, and if asked for to its output, of which to hear so seldom is enough."""
        watched = self._joined(job_id)
        watched.subscribers += 1
        self.subscribers += 1
        paces = [every_s] if output else []
        watched.paces += paces
        try:
            if watched.seen is not None:
                await watched.look_for_newcomer()
            if output:
                await watched.wish_for_output()
            yield watched
        finally:
            for pace in paces:
                watched.paces.remove(pace)
            self.subscribers -= 1
            watched.subscribers -= 1
            if not watched.subscribers:
                await self._let_go(job_id)

    def _joined(self, job_id: str) -> Watched:
        known = self._watched.get(job_id)
        if known is not None:
            return known[0]
        watched = Watched(self, job_id)
        self._watched[job_id] = watched, asyncio.get_running_loop().create_task(watched.follow())
        return watched

    async def _let_go(self, job_id: str) -> None:
        _, task = self._watched.pop(job_id)
        task.cancel()
        await asyncio.wait([task])
