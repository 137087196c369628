"""Makes a tool of each action: a short schema, errors as sentences, unseen endings on top of every answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.action import Action, Effects, Report
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.later import GoesOn
from mcp_background_job.core.news import Way
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.answers import as_tool_error, as_tool_result, schema_of, shortened
from mcp_background_job.server.consent import FirstAskError
from mcp_background_job.server.context import Callers
from mcp_background_job.server.fastmcp_names import (
    InputRequiredToolResult,
    McpTool,
    Tool,
    ToolAnnotations,
    ToolResult,
    get_context,
    takes_extension,
)
from mcp_background_job.server.shown import shown_in
from mcp_background_job.server.tasks.extension import EXTENSION, Promised

if TYPE_CHECKING:
    from mcp_background_job.server.tasks.keeper import Keeper

_HINTS = {
    Effects.LOOKS: ToolAnnotations(read_only_hint=True, open_world_hint=False),
    Effects.NOTES: ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
    ),
    Effects.ADDS: ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
    ),
    Effects.STARTS: ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
    ),
    Effects.ENDS: ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
    ),
}


#: Tools that work with jobs cannot do without, and what has Claude Code show them to a model that would have to search
#: for tools otherwise.
_NEEDED = frozenset({"execute_command", "wait_for_job", "kill_job"})
_AT_HAND = {"anthropic/alwaysLoad": True}

#: Returns a line on tools that have come to be offered, for a reader of this name who has not been told.
More = Callable[[str], Awaitable[str | None]]


class ActionTool(Tool):
    """An action as a tool."""

    _action: Action[Any, Any]
    _manager: JobManager
    _callers: Callers
    _more: More
    _keeper: Callable[[], Keeper]
    _error: str

    def __init__(
        self,
        action: Action[Any, Any],
        manager: JobManager,
        callers: Callers,
        *,
        more: More,
        keeper: Callable[[], Keeper],
        error: str = "",
    ) -> None:
        """Takes its parts.

        Args:
            action: what it does.
            manager: whose news every answer tells.
            callers: tell who calls.
            more: tells what else every answer tells.
            keeper: of the tasks that it makes for clients that can be told later.
            error: how errors begin.
        """
        arguments = action.arguments.json_schema()
        arguments.pop("description", None)  # of the class; what the tool is for is said once
        super().__init__(
            name=action.name,
            description=action.about,
            parameters=shortened(arguments),
            output_schema=schema_of(action.form) if action.form else None,
            annotations=_HINTS[action.effects],
        )
        self._action = action
        self._manager = manager
        self._callers = callers
        self._more = more
        self._keeper = keeper
        self._error = error

    @property
    def action(self) -> Action[Any, Any]:
        """What it does."""
        return self._action

    def to_mcp_tool(self, **overrides: Any) -> McpTool:
        # FastMCP would add its own notes on a component, of which there is nothing to say: a model pays for each.
        return super().to_mcp_tool(**{"_meta": _AT_HAND if self.name in _NEEDED else None, **overrides})

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        context = get_context()
        try:
            caller = await self._callers.caller_of(context)
            if self.action.later is not None and takes_extension(context, EXTENSION):
                return await self._run_or_promise(caller, arguments)
            return await self._answer(caller, arguments)
        except FirstAskError as asking:
            return InputRequiredToolResult(asking.result)
        except BackgroundJobError as error:
            return self.refusal(error)

    async def _run_or_promise(self, caller: Caller, arguments: dict[str, Any]) -> ToolResult:
        try:
            return await self._answer(replace(caller, takes_later=True), arguments)
        except GoesOn as left:
            return Promised(await self._keeper().create(caller, self.name, left))

    async def _answer(self, caller: Caller, arguments: dict[str, Any]) -> ToolResult:
        report = await self.action.call(caller, arguments)
        news = await self._manager.news.to_tell(caller.reader, Way.ANSWER, shown=shown_in(report))
        return self.result(report, news, more=await self._more(caller.reader.name))

    def result(self, report: Report, endings: list[str], *, more: str | None = None) -> ToolResult:
        """Return the answer that a report is, with what else is told at its top."""
        return as_tool_result(report, endings, more=more, code=self.action.failure(report))

    def refusal(self, error: BackgroundJobError) -> ToolResult:
        """Return the answer that an error is."""
        return as_tool_error(f"{self._error}{error}", error.code)
