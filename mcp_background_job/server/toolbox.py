"""Makes the tools when a client first asks for them, so that the handshake, which clients wait for, stays quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from mcp_background_job.server.fastmcp_names import FastMCPComponent, Provider, Tool, VersionSpec

Group = TypeVar("Group")


class Toolbox(Provider, Generic[Group]):
    """Tools in groups; each group is made when it is first asked for."""

    def __init__(
        self, groups: Sequence[Group], make: Callable[[Group], Sequence[Tool]], note_listing: Callable[[], None]
    ) -> None:
        """Takes the groups that are offered, a list that may grow, what makes a group, and what notes who lists all."""
        super().__init__()
        self._groups = groups
        self._make = make
        self._note_listing = note_listing
        self._made: dict[Group, dict[str, Tool]] = {}

    async def get_tasks(self) -> Sequence[FastMCPComponent]:
        return []  # none of them; to find out FastMCP would list them before the handshake

    def of(self, group: Group) -> dict[str, Tool]:
        """Return the tools of a group by their names, in their order."""
        if group not in self._made:
            self._made[group] = {tool.name: tool for tool in self._make(group)}
        return self._made[group]

    async def _list_tools(self) -> Sequence[Tool]:
        self._note_listing()
        return list(self._all())

    async def _get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        if version is not None:
            return await super()._get_tool(name, version)
        return next((tool for tool in self._all() if tool.name == name), None)

    def _all(self) -> Iterator[Tool]:
        for group in self._groups:
            yield from self.of(group).values()
