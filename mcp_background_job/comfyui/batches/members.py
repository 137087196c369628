"""The servers that this process works with: one, or the members of a pool, which may come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from mcp_background_job.comfyui.batches.feeder_job import FeederJobs
from mcp_background_job.comfyui.prompts.cancel import Canceller
from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.core.comfyui.pool import Member
from mcp_background_job.executors import lanes
from mcp_background_job.registry.pools import SqlitePools


class Reached(Protocol):
    """The parts of a member that are needed here."""

    endpoint: Endpoint
    client: Client
    prompts: Prompts
    canceller: Canceller
    feeders: FeederJobs

    async def begin(self) -> None:
        """Get ready for requests."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


M = TypeVar("M", bound=Reached)

#: Members of the past whose prompts are listed: each restart on a node makes one.
_PARTED = 20


class Members(Generic[M]):
    """One server, or several that share batches."""

    def __init__(
        self,
        home: M,
        pools: SqlitePools,
        *,
        name: str = "",
        make: Callable[[str], M | None],
        is_over: Callable[[str], Awaitable[bool]],
    ) -> None:
        """Takes its parts.

        Args:
            home: the server that is meant by default.
            pools: the table of members, and of the servers of prompts.
            name: name of the pool; without one there is no other server.
            make: returns the control of another member by its name; ``None`` if it cannot be reached from here.
            is_over: tells whether the server of a name was a job that has ended.
        """
        self._is_over = is_over
        self.home = home
        self.name = name
        self._pools = pools
        self._make = make
        self._known: dict[str, M] = {home.endpoint.url: home}
        self._making = asyncio.Lock()

    async def all(self) -> list[M]:
        """Return the present members: the home first, if it is one of them."""
        if not self.name:
            return [self.home]
        found = await lanes.journal(self._pools.members, self.name)
        urls = [one.url for one in found if not await self._has_parted(one)]
        urls.sort(key=lambda url: url != self.home.endpoint.url)
        return [one for url in urls if (one := await self._get(url)) is not None] or [self.home]

    async def parted(self) -> list[str]:
        """Return the names of the last members that were jobs and are over: the journal has their prompts."""
        return await lanes.journal(self._pools.parted, _PARTED) if self.name else []

    async def _has_parted(self, member: Member) -> bool:
        """Remove a member that was a job, once the job is over and the ends of all its prompts are known."""
        if member.sent or not await self._is_over(member.url):
            return False
        await lanes.journal(self._pools.part, member.url)
        return True

    async def first(self) -> M:
        """Return the member to use if any will do."""
        return (await self.all())[0]

    async def servers(self) -> list[str]:
        """Return the names by which their batches and prompts name a server."""
        urls = [one.endpoint.url for one in await self.all()]
        return list(dict.fromkeys([*urls, self.home.endpoint.url, *([self.name] if self.name else [])]))

    async def of(self, server: str) -> Sequence[M]:
        """Return the members that work for this server's name."""
        if server == self.name:
            return await self.all()
        one = await self._get(server)
        return [] if one is None else [one]

    async def at(self, prompt_id: str) -> M:
        """Return the member that has a prompt; the first one, if none is known to have it."""
        members = await self.all()
        if len(members) == 1:
            return members[0]
        server = await lanes.journal(self._pools.server_of, prompt_id)
        if server is not None and (named := await self.of(server)):
            return named[0]
        for one in members if server is None else ():
            if await one.prompts.is_there(prompt_id):
                return one
        return members[0]

    async def close(self) -> None:
        """Close the other members."""
        for one in self._known.values():
            if one is not self.home:
                await one.close()

    async def _get(self, url: str) -> M | None:
        async with self._making:
            if url not in self._known:
                made = await lanes.look(self._make, url)
                if made is None:
                    return None
                self._known[url] = made
            await self._known[url].begin()
        return self._known[url]
