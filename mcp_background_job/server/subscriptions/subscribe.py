"""``resources/subscribe`` and ``unsubscribe``, until 2025-11-25: a connection follows URIs while it lives."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.server.fastmcp_names import (
    Connection,
    EmptyResult,
    FastMCP,
    ServerRequestContext,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
    connection_of,
)
from mcp_background_job.server.refusals import not_there
from mcp_background_job.server.served import Served
from mcp_background_job.server.subscriptions.board import Board, Topic
from mcp_background_job.server.subscriptions.outbox import Outbox, Updated
from mcp_background_job.server.subscriptions.topics import Topics

Request = ServerRequestContext[Any, Any]

#: Under which a connection keeps what it follows.
_SUBSCRIBER = "mcp-background-job/subscriber"


class Subscribing:
    """Answers the requests."""

    def __init__(self, server: FastMCP[Any], board: Board, topics: Topics, served: Served) -> None:
        """Takes its parts."""
        self._server = server
        self._board = board
        self._topics = topics
        self._served = served

    async def subscribe(self, context: Request, params: SubscribeRequestParams) -> EmptyResult:
        """Tell a connection when a resource changes; of one that never does there is nothing to tell.

        Raises:
            MCPError: there is no such resource.
        """
        uri = str(params.uri)
        try:
            topic = await self._topics.of(uri, await self._served.caller())
            if topic is not None:
                await self._subscriber(connection_of(context)).follow(uri, topic)
        except BackgroundJobError as error:
            raise not_there(uri, error) from error
        if topic is None and not await self._is_readable(uri):
            raise not_there(uri)
        return EmptyResult()

    async def unsubscribe(self, context: Request, params: UnsubscribeRequestParams) -> EmptyResult:
        """Tell a connection no longer."""
        if subscriber := connection_of(context).state.get(_SUBSCRIBER):
            await subscriber.leave(str(params.uri))
        return EmptyResult()

    def _subscriber(self, connection: Connection) -> _Subscriber:
        known = connection.state.get(_SUBSCRIBER)
        if known is None:
            known = connection.state[_SUBSCRIBER] = _Subscriber(self._board, connection)
            connection.exit_stack.push_async_callback(known.close)
        return known

    async def _is_readable(self, uri: str) -> bool:
        return bool(await self._server.get_resource(uri) or await self._server.get_resource_template(uri))


class _Subscriber:
    """A connection that follows something."""

    def __init__(self, board: Board, connection: Connection) -> None:
        self._board = board
        self._connection = connection
        self._outbox = Outbox()
        self._followed: dict[str, contextlib.AsyncExitStack] = {}
        self._turn = asyncio.Lock()
        self._sender = asyncio.get_running_loop().create_task(self._send())

    async def follow(self, uri: str, topic: Topic) -> None:
        async with self._turn:  # of two requests for one URI the second finds it followed
            if uri in self._followed:
                return
            async with contextlib.AsyncExitStack() as stack:
                tell = partial(self._outbox.offer, Updated(uri))
                await stack.enter_async_context(self._board.following(topic, tell))
                self._followed[uri] = stack.pop_all()

    async def leave(self, uri: str) -> None:
        async with self._turn:
            if stack := self._followed.pop(uri, None):
                await stack.aclose()
            self._outbox.withdraw(Updated(uri))

    async def close(self) -> None:
        for uri in list(self._followed):
            await self.leave(uri)
        self._sender.cancel()
        await asyncio.wait({self._sender})

    async def _send(self) -> None:
        # A client that does not read blocks this task alone, and meanwhile of each thing one notice waits.
        while True:
            if told := await (await self._outbox.take()).notification():
                await self._connection.notify(*told)
