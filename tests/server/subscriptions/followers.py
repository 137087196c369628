"""Clients of both eras that follow something, and what they have heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import ClientTransport
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated, Subscription, listen
from mcp_types import (
    EmptyResult,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from tests.patience import until

#: The last that has a handshake, in which a connection subscribes; and the first in which a request listens.
LEGACY, MODERN = "legacy", "2026-07-28"
ERAS = (LEGACY, MODERN)


class Follower:
    """A client that follows something.

    Attributes:
        client: with which it asks other things.
        heard: URIs in the order in which they were told; "" for the list of resources.
        granted: what the server has agreed to tell.
    """

    def __init__(self, client: Client[Any]) -> None:
        self.client = client
        self.heard: list[str] = []
        self.granted: list[str] = []

    async def hears(self, uri: str, times: int = 1) -> None:
        """Wait until it was told of a URI so often."""

        async def is_told() -> bool:
            return self.heard.count(uri) >= times

        await until(is_told, f"{times} updates of {uri}: {self.heard}")

    async def note(self, message: Any) -> None:
        """Take a notification of the older eras; of the newest, the library passes on what streams have too."""
        if self.client.session.protocol_version == MODERN:
            return
        notification = getattr(message, "root", message)
        if isinstance(notification, ResourceUpdatedNotification):
            self.heard.append(str(notification.params.uri))

    async def read(self, subscription: Subscription) -> None:
        """Take all that comes by a stream."""
        async for event in subscription:
            if isinstance(event, ResourceUpdated):
                self.heard.append(event.uri)
            if isinstance(event, ResourcesListChanged):
                self.heard.append("")


@contextlib.asynccontextmanager
async def connected(server: Any, era: str) -> AsyncGenerator[Follower]:
    """Connect a client to a server in this process, or by a transport."""
    followers: list[Follower] = []

    async def note(message: Any) -> None:
        await followers[0].note(message)

    transport: ClientTransport = server
    async with Client(transport, mode=era, message_handler=note) as client:
        followers.append(Follower(client))
        yield followers[0]


async def subscribe(client: Client[Any], uri: str) -> None:
    """Subscribe to a URI, as the clients of the older eras do; the library's own method warns of its age."""
    await client.session.send_request(SubscribeRequest(params=SubscribeRequestParams(uri=uri)), EmptyResult)


@contextlib.asynccontextmanager
async def following(follower: Follower, uris: Sequence[str], *, lists: bool = False) -> AsyncGenerator[None]:
    """Have a client follow URIs meanwhile, in the way of its era."""
    session = follower.client.session
    if session.protocol_version != MODERN:
        for uri in uris:
            await subscribe(follower.client, uri)
        yield
        for uri in uris:
            request = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri))
            await session.send_request(request, EmptyResult)
        return
    async with listen(session, resource_subscriptions=uris, resources_list_changed=lists) as subscription:
        follower.granted = subscription.honored.resource_subscriptions or []
        reading = asyncio.create_task(follower.read(subscription))
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.wait({reading})
