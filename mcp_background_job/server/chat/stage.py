"""Offers the page and its tools to clients that show such pages; other clients see nothing of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from mcp_background_job.server.fastmcp_names import (
    UI_MIME_TYPE,
    FastMCPComponent,
    Provider,
    Resource,
    Tool,
    VersionSpec,
    get_context,
    shows_apps,
)

if TYPE_CHECKING:
    from mcp_background_job.actions.house import House
    from mcp_background_job.server.context import Callers
    from mcp_background_job.web.calls import Calls


class Stage(Provider):
    """The page as an app."""

    def __init__(self, house: House, callers: Callers, *, read_only: bool) -> None:
        """Takes what is looked at, what tells who calls, and whether it may only be looked at."""
        super().__init__()
        self._house = house
        self._callers = callers
        self._read_only = read_only

    async def close(self) -> None:
        """Answer the pages that wait."""
        if "_answering" in vars(self):
            await self._answering.watching.close()

    async def get_tasks(self) -> Sequence[FastMCPComponent]:
        return []  # none; to find out FastMCP would list all before the handshake

    @cached_property
    def _answering(self) -> Calls:
        from mcp_background_job.web.calls import Calls  # noqa: PLC0415  most sessions show no page

        return Calls(self._house, read_only=self._read_only)

    @cached_property
    def _tools(self) -> list[Tool]:
        from mcp_background_job.server.chat.tools import PageTool, ShowJobs  # noqa: PLC0415  likewise

        def calls() -> Calls:  # made with the first of them
            return self._answering

        ways = (True,) if self._read_only else (True, False)
        return [ShowJobs(), *(PageTool(calls, self._callers, looks=looks) for looks in ways)]

    @cached_property
    def _page(self) -> Resource:
        from mcp_background_job.server.chat.tools import URI  # noqa: PLC0415  likewise
        from mcp_background_job.web.single import single_file  # noqa: PLC0415  likewise

        return Resource.from_function(
            single_file,
            URI,
            name="page",
            description="Jobs, renders and runs, live.",
            mime_type=UI_MIME_TYPE,
            meta={"ui": {"prefersBorder": True}},
        )

    async def _list_tools(self) -> Sequence[Tool]:
        return self._tools if shows_apps(get_context()) else []

    async def _get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        if version is not None:
            return None
        return next((tool for tool in self._tools if tool.name == name), None)

    async def _list_resources(self) -> Sequence[Resource]:
        return [self._page] if shows_apps(get_context()) else []

    async def _get_resource(self, uri: str, version: VersionSpec | None = None) -> Resource | None:
        return self._page if version is None and uri == str(self._page.uri) else None
