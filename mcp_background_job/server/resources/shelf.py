"""Makes the resources when a client first asks for them, like the tools (``server.toolbox``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mcp_background_job.server.fastmcp_names import (
    FastMCPComponent,
    Provider,
    Resource,
    ResourceTemplate,
    VersionSpec,
)


class Contents(Protocol):
    """What is on a shelf."""

    @property
    def fixed(self) -> Sequence[Resource]:
        """Resources that are always there."""
        ...

    @property
    def templates(self) -> Sequence[ResourceTemplate]:
        """Templates of the others."""
        ...

    async def recent(self) -> Sequence[Resource]:
        """Return some of the others: those that the asker most likely wants to read."""
        ...


class Shelf(Provider):
    """Resources that are made when the first client asks for them."""

    def __init__(self, make: Callable[[], Contents]) -> None:
        """Takes what makes them."""
        super().__init__()
        self._make = make
        self._made: Contents | None = None

    async def get_tasks(self) -> Sequence[FastMCPComponent]:
        return []  # none of them; to find out FastMCP would list them before the handshake

    async def _list_resources(self) -> Sequence[Resource]:
        contents = self._contents()
        return [*contents.fixed, *await contents.recent()]

    async def _get_resource(self, uri: str, version: VersionSpec | None = None) -> Resource | None:
        if version is not None:
            return None
        return next((resource for resource in self._contents().fixed if str(resource.uri) == uri), None)

    async def _list_resource_templates(self) -> Sequence[ResourceTemplate]:
        return self._contents().templates

    def _contents(self) -> Contents:
        if self._made is None:
            self._made = self._make()
        return self._made
