"""Notifies clients that listen for tasks each time a task changes: ``notifications/tasks``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Hashable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.server.fastmcp_names import ServerRequestContext, SubscriptionFilter, can_elicit
from mcp_background_job.server.subscriptions.board import INTERVAL_S, Board, Changes, Topic
from mcp_background_job.server.tasks.extension import require_declared

if TYPE_CHECKING:
    from mcp_background_job.server.subscriptions.outbox import Notification, Outbox
    from mcp_background_job.server.tasks.keeper import Keeper

#: Of the filter with which clients listen.
_FIELD = "taskIds"

#: Statuses after which nothing changes.
_OVER = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class _Changed:
    """A task has changed; ``can_ask``: the client can ask a person what the work asks."""

    keeper: Keeper
    task_id: str
    can_ask: bool

    async def notification(self) -> Notification | None:
        told = await self.keeper.get(self.task_id, can_ask=self.can_ask)
        return ("notifications/tasks", told) if told else None


class TaskListener:
    """Grants tasks that there are."""

    def __init__(self, board: Board, keeper: Keeper) -> None:
        """Takes what is followed, and who keeps the tasks."""
        self._board = board
        self._keeper = keeper

    @contextlib.asynccontextmanager
    async def listening(
        self, context: ServerRequestContext[Any, Any], wanted: SubscriptionFilter, outbox: Outbox
    ) -> AsyncGenerator[dict[str, Any]]:
        named = (wanted.model_extra or {}).get(_FIELD)
        if not isinstance(named, list):
            yield {}
            return
        require_declared(context)
        can_ask = can_elicit(context)
        granted: list[str] = []
        async with contextlib.AsyncExitStack() as stack:
            for task_id in dict.fromkeys(one for one in cast("list[object]", named) if isinstance(one, str)):
                if await self._keeper.get(task_id, can_ask=can_ask) is None:
                    continue
                notice = _Changed(self._keeper, task_id, can_ask)
                topic = Topic(("task", task_id, can_ask), partial(_changes, self._keeper, task_id, can_ask=can_ask))
                with contextlib.suppress(BackgroundJobError):  # as tasks that are not there: not granted
                    await stack.enter_async_context(self._board.following(topic, partial(outbox.offer, notice)))
                    outbox.offer(notice)  # it may have ended before anybody listened
                    granted.append(task_id)
            yield {_FIELD: granted} if granted else {}


async def _changes(keeper: Keeper, task_id: str, *, can_ask: bool) -> Changes:
    """Follow a task, whatever its work is: nothing reports changes of prompts and waits."""
    before: Hashable = None
    while (told := await keeper.get(task_id, can_ask=can_ask)) is not None:
        # Not its words, which say how many seconds something takes.
        now = told["status"], told["lastUpdatedAt"], str(told.get("inputRequests"))
        if now != before:
            before = now
            yield
        if told["status"] in _OVER:
            return
        await asyncio.sleep(INTERVAL_S)
