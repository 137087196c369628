"""The tool that opens the page in a chat, and those that the page calls from there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.action import Effects
from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.news import Reader
from mcp_background_job.core.wire import plain
from mcp_background_job.server.fastmcp_names import McpTool, TextContent, Tool, ToolAnnotations, ToolResult, get_context

if TYPE_CHECKING:
    from mcp_background_job.server.context import Callers
    from mcp_background_job.web.calls import Calls

#: Of the page.
URI = "ui://mcp-background-job/page.html"

#: Who looks at a page is none of the readers to whom news are told.
_READER = Reader("page")

_CALL = {
    "type": "object",
    "properties": {"action": {"type": "string"}, "args": {"type": "object", "additionalProperties": True}},
    "required": ["action"],
}


class ShowJobs(Tool):
    """``show_jobs``."""

    def __init__(self) -> None:
        super().__init__(
            name="show_jobs",
            description="Show the user jobs, renders and runs on a live page in this chat.",
            parameters={"type": "object", "properties": {"job_id": {"type": "string"}}},
            annotations=ToolAnnotations(read_only_hint=True),
        )

    def to_mcp_tool(self, **overrides: Any) -> McpTool:
        # A model pays for each note: FastMCP would add more.
        return super().to_mcp_tool(**{"_meta": {"ui": {"resourceUri": URI}}, "title": None, **overrides})

    async def run(self, arguments: dict[str, Any]) -> ToolResult:  # noqa: ARG002  the page itself takes them
        return ToolResult(content=[TextContent(type="text", text="The user sees the page.")])


class PageTool(Tool):
    """A tool that the page calls and that models do not see: one only looks, the other does everything else.

    There are two, so that a host can ask its user about the second and not about the first.
    """

    _looks: bool
    _calls: Callable[[], Calls]
    _callers: Callers

    def __init__(self, calls: Callable[[], Calls], callers: Callers, *, looks: bool) -> None:
        """Takes what answers, what tells who calls, and whether this one only looks."""
        super().__init__(
            name="page_look" if looks else "page_act",
            description="The page looks." if looks else "The page does what its user has confirmed.",
            parameters=_CALL,
            annotations=ToolAnnotations(read_only_hint=looks, destructive_hint=not looks, open_world_hint=False),
        )
        self._looks = looks
        self._calls = calls
        self._callers = callers

    def to_mcp_tool(self, **overrides: Any) -> McpTool:
        meta = {"ui": {"resourceUri": URI, "visibility": ["app"]}}
        return super().to_mcp_tool(**{"_meta": meta, "title": None, **overrides})

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        answer = await self._answer(await self._callers.caller_of(get_context()), arguments)
        return ToolResult(content=[], structured_content=plain(answer))

    def _answer(self, caller: Caller, arguments: dict[str, Any]) -> Awaitable[dict[str, Any]]:
        # What is confirmed on the page is not asked about again, nor answered later.
        looker = replace(caller, reader=_READER, ask=None)
        only = frozenset({Effects.LOOKS}) if self._looks else frozenset(Effects)
        return self._calls().answer(looker, str(arguments.get("action")), arguments.get("args") or {}, only)
