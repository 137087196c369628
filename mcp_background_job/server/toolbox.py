"""Has the tools made when a client first asks for them: the handshake, which clients wait for, does without."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mcp_background_job.server.fastmcp_names import FastMCPComponent, Provider, Tool, VersionSpec


class Toolbox(Provider):
    """Tools that are made at the first look into it."""

    def __init__(self, make: Callable[[], Sequence[Tool]]) -> None:
        """Takes what makes them."""
        super().__init__()
        self._make = make
        self._tools: dict[str, Tool] | None = None

    async def get_tasks(self) -> Sequence[FastMCPComponent]:
        return []  # none of them; to find out FastMCP would list them before the handshake

    async def _list_tools(self) -> Sequence[Tool]:
        return list(self._made().values())

    async def _get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        return self._made().get(name) if version is None else await super()._get_tool(name, version)

    def _made(self) -> dict[str, Tool]:
        if self._tools is None:
            self._tools = {tool.name: tool for tool in self._make()}
        return self._tools
