"""``subscriptions/listen``, from 2026-07-28 on: a request, answered by notifications until it is cancelled."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol

from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.server.fastmcp_names import (
    SUBSCRIPTION_ID_META_KEY,
    ServerRequestContext,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    notify_on_stream,
)
from mcp_background_job.server.served import Served
from mcp_background_job.server.subscriptions.board import Board
from mcp_background_job.server.subscriptions.outbox import ListChanged, Outbox, Updated
from mcp_background_job.server.subscriptions.topics import Topics

#: Fields of a filter that are granted, as they are acknowledged.
Granted = dict[str, Any]

Request = ServerRequestContext[Any, Any]


class Listener(Protocol):
    """Grants some fields of the filter with which clients listen."""

    def listening(
        self, context: Request, wanted: SubscriptionFilter, outbox: Outbox
    ) -> AbstractAsyncContextManager[Granted]:
        """Put notices of what is wanted into the outbox meanwhile; gives the fields that it grants.

        Fields that the protocol does not name are in ``wanted.model_extra``.

        Raises:
            MCPError: the client may not ask for that.
        """
        ...


class Listening:
    """Answers the requests.

    Attributes:
        listeners: grant a part of the filter each; whoever adds one of its own has no more to do.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        """Takes those who grant something."""
        self.listeners = list(listeners)

    async def __call__(self, context: Request, params: SubscriptionsListenRequestParams) -> None:
        """Tell what is new until the request is cancelled, or its connection ends."""
        outbox = Outbox()
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        granted: Granted = {}
        async with contextlib.AsyncExitStack() as stack:
            for listener in self.listeners:
                listening = listener.listening(context, params.notifications, outbox)
                granted |= await stack.enter_async_context(listening)
            acknowledged = {"notifications": granted, "_meta": meta}
            await notify_on_stream(context, "notifications/subscriptions/acknowledged", acknowledged)
            while True:
                if told := await (await outbox.take()).notification():
                    method, content = told
                    await notify_on_stream(context, method, {**content, "_meta": meta})


class ToolsListener:
    """Grants the list of tools."""

    def __init__(self, whenever_more: list[Callable[[], None]]) -> None:
        """Takes what is called each time that there are other tools."""
        self._whenever_more = whenever_more

    @contextlib.asynccontextmanager
    async def listening(
        self,
        context: Request,  # noqa: ARG002  others look at it
        wanted: SubscriptionFilter,
        outbox: Outbox,
    ) -> AsyncGenerator[Granted]:
        if not wanted.tools_list_changed:
            yield {}
            return
        tell = partial(outbox.offer, ListChanged("tools"))
        self._whenever_more.append(tell)
        try:
            yield {"toolsListChanged": True}
        finally:
            self._whenever_more.remove(tell)


class ResourceListener:
    """Grants resources that can be followed, and the list of them."""

    def __init__(self, board: Board, topics: Topics, served: Served) -> None:
        """Takes its parts."""
        self._board = board
        self._topics = topics
        self._served = served

    @contextlib.asynccontextmanager
    async def listening(
        self,
        context: Request,  # noqa: ARG002  others look at it
        wanted: SubscriptionFilter,
        outbox: Outbox,
    ) -> AsyncGenerator[Granted]:
        caller = await self._served.caller()
        granted: Granted = {}
        async with contextlib.AsyncExitStack() as stack:

            async def follow(topic: Any, notice: Any) -> None:
                await stack.enter_async_context(self._board.following(topic, partial(outbox.offer, notice)))

            uris: list[str] = []
            for uri in dict.fromkeys(wanted.resource_subscriptions or ()):
                # What is not there is not granted: of several, the others are followed all the same.
                with contextlib.suppress(BackgroundJobError):
                    if topic := await self._topics.of(uri, caller):
                        await follow(topic, Updated(uri))
                        uris.append(uri)
            if uris:
                granted["resourceSubscriptions"] = uris
            if wanted.resources_list_changed:
                await follow(self._topics.jobs_of(caller), ListChanged("resources"))
                granted["resourcesListChanged"] = True
            yield granted
