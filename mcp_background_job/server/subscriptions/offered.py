"""Offers subscriptions to clients. Its parts are made for the first subscription, so that the handshake stays quick."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mcp_background_job.server.fastmcp_names import (
    EmptyResult,
    FastMCP,
    ServerRequestContext,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
    answer_requests,
)
from mcp_background_job.server.served import Served

if TYPE_CHECKING:
    from mcp_background_job.server.subscriptions.board import Board
    from mcp_background_job.server.subscriptions.listen import Listener, Listening
    from mcp_background_job.server.subscriptions.subscribe import Subscribing
    from mcp_background_job.server.subscriptions.topics import Topics

Request = ServerRequestContext[Any, Any]


class Subscriptions:
    """Both ways to subscribe: that of protocols until 2025-11-25, and the later one."""

    def __init__(self, server: FastMCP[Any], served: Served, whenever_tools_change: list[Callable[[], None]]) -> None:
        """Takes whose clients follow, what there is, and what is called each time that there are other tools."""
        self._server = server
        self._served = served
        self._whenever_tools_change = whenever_tools_change
        self._more: list[Callable[[Board], Listener]] = []

    def register(self) -> None:
        """Have the server answer the requests."""

        async def subscribe(context: Request, params: SubscribeRequestParams) -> EmptyResult:
            return await self._subscribing.subscribe(context, params)

        async def unsubscribe(context: Request, params: UnsubscribeRequestParams) -> EmptyResult:
            return await self._subscribing.unsubscribe(context, params)

        async def listen(context: Request, params: SubscriptionsListenRequestParams) -> None:
            await self._listening(context, params)

        answer_requests(self._server, "resources/subscribe", SubscribeRequestParams, subscribe)
        answer_requests(self._server, "resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
        answer_requests(self._server, "subscriptions/listen", SubscriptionsListenRequestParams, listen)

    def add(self, make: Callable[[Board], Listener]) -> None:
        """Have another listener, made with the first who listens, grant its part of what clients listen for."""
        self._more.append(make)

    async def close(self) -> None:
        """Follow nothing any more."""
        if "board" in vars(self):
            await self.board.close()

    @cached_property
    def board(self) -> Board:
        """All that is followed."""
        from mcp_background_job.server.subscriptions.board import Board  # noqa: PLC0415  see the top

        return Board()

    @cached_property
    def _topics(self) -> Topics:
        from mcp_background_job.server.subscriptions.topics import Topics  # noqa: PLC0415  see the top

        return Topics(self._served)

    @cached_property
    def _listening(self) -> Listening:
        from mcp_background_job.server.subscriptions import listen  # noqa: PLC0415  see the top

        tools = listen.ToolsListener(self._whenever_tools_change)
        resources = listen.ResourceListener(self.board, self._topics, self._served)
        return listen.Listening([tools, resources, *(make(self.board) for make in self._more)])

    @cached_property
    def _subscribing(self) -> Subscribing:
        from mcp_background_job.server.subscriptions.subscribe import Subscribing  # noqa: PLC0415  see the top

        return Subscribing(self._server, self.board, self._topics, self._served)
