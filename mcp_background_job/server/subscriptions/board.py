"""Everything that clients follow: one task per thing, as long as somebody follows it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Hashable
from dataclasses import dataclass

from mcp_background_job.errors import InvalidRequestError

_log = logging.getLogger(__name__)

#: Between two updates of one thing: whoever looks on sees no more, and a job that floods its log costs no more.
INTERVAL_S = 1.0

#: Followers in this process. Each costs some kilobytes; no honest client comes near.
MAX_FOLLOWERS = 4096

#: Yields once when it knows how the thing is, and then each time that it has changed since.
Changes = AsyncGenerator[None]


#: Lets so many seconds pass.
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Topic:
    """Something that can be followed.

    Attributes:
        key: what it is; equal for all who mean the same.
        changes: begins to look at it.
    """

    key: Hashable
    changes: Callable[[], Changes]


class _Followed:
    """Something that is followed."""

    def __init__(self, topic: Topic, pause: Pause) -> None:
        self._pause = pause
        self.listeners: list[Callable[[], None]] = []
        self.is_known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.get_running_loop().create_task(self._follow(topic))

    async def _follow(self, topic: Topic) -> None:
        try:
            async with contextlib.aclosing(topic.changes()) as changes:
                async for _ in changes:
                    if not self.is_known.done():
                        self.is_known.set_result(None)
                        continue
                    self._tell()
                    await self._pause(INTERVAL_S)  # what changes meanwhile is one change
        except Exception as error:  # noqa: BLE001  whatever it is, it is for those who follow
            self._fail(topic, error)
        if not self.is_known.done():
            self.is_known.set_result(None)  # it is over, and nothing of it will change

    def _fail(self, topic: Topic, error: Exception) -> None:
        if not self.is_known.done():
            self.is_known.set_exception(error)
            return
        _log.warning("changes of %s are no longer told: %s", topic.key, error)
        self._tell()  # who looks now sees what is wrong

    def _tell(self) -> None:
        for tell in list(self.listeners):
            tell()


class Board:
    """All that is followed in this process."""

    def __init__(self, pause: Pause = asyncio.sleep) -> None:
        """Follows nothing."""
        self._pause = pause
        self._followed: dict[Hashable, _Followed] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.followers = 0

    @contextlib.asynccontextmanager
    async def following(self, topic: Topic, tell: Callable[[], None]) -> AsyncGenerator[None]:
        """Have each change from now on reported, at most once every ``INTERVAL_S``.

        Raises:
            InvalidRequestError: too much is followed already.
            BackgroundJobError: it cannot be looked at.
        """
        with self._joined(topic, tell) as followed:
            await asyncio.shield(followed.is_known)  # one who gives up takes nothing from the others
            yield

    async def close(self) -> None:
        """Follow nothing any more."""
        for key in list(self._followed):
            self._let_go(key)
        if self._ending:
            await asyncio.wait(set(self._ending))

    @contextlib.contextmanager
    def _joined(self, topic: Topic, tell: Callable[[], None]) -> Generator[_Followed]:
        if self.followers >= MAX_FOLLOWERS:
            raise InvalidRequestError(f"{MAX_FOLLOWERS} subscriptions is the limit: end some first")
        followed = self._followed.get(topic.key)
        if followed is None:
            followed = self._followed[topic.key] = _Followed(topic, self._pause)
        followed.listeners.append(tell)
        self.followers += 1
        try:
            yield followed
        finally:
            # Nothing is awaited: whoever is cancelled by the MCP SDK is cancelled again at every await.
            self.followers -= 1
            followed.listeners.remove(tell)
            if not followed.listeners and self._followed.get(topic.key) is followed:
                self._let_go(topic.key)

    def _let_go(self, key: Hashable) -> None:
        task = self._followed.pop(key).task
        self._ending.add(task)  # it has a watcher to let go of
        task.add_done_callback(self._ending.discard)
        task.cancel()
