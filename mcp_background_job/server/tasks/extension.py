"""The extension in the form that FastMCP takes: who may ask, and how requests are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from mcp_background_job.core.wire import utf8
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.server.answers import ERROR_CODE
from mcp_background_job.server.fastmcp_names import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    MODERN_PROTOCOL_VERSIONS,
    Context,
    MCPError,
    MethodBinding,
    ServerExtension,
    ToolResult,
    can_elicit,
    declares_extension,
    name_in_header,
)
from mcp_background_job.server.tasks.wire import Created, TaskId, Update

if TYPE_CHECKING:
    from mcp_background_job.server.tasks.keeper import Keeper

#: By which clients and servers say that they know of tasks.
EXTENSION = "io.modelcontextprotocol/tasks"

_DONE = {"resultType": "complete"}


class Promised(ToolResult):
    """The result of a call whose work goes on: a task."""

    task: Created

    def __init__(self, task: Created) -> None:
        """Takes the task."""
        # Past the constructor of ToolResult, which knows no further field.
        BaseModel.__init__(self, content=[], structured_content=None, meta=None, is_error=False, task=task)


class TasksExtension(ServerExtension):
    """Tasks, for clients that have declared that they know them."""

    identifier = EXTENSION

    def __init__(self, make: Callable[[], Keeper]) -> None:
        """Takes what makes the keeper when it is first needed: the handshake does without."""
        self._make = make
        self._keeper: Keeper | None = None

    def keeper(self) -> Keeper:
        """Return who keeps the tasks."""
        self._keeper = self._keeper or self._make()
        return self._keeper

    async def close(self) -> None:
        """Let go of what is under way."""
        if self._keeper is not None:
            await self._keeper.close()

    def methods(self) -> Sequence[MethodBinding]:
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return [
            MethodBinding("tasks/get", TaskId, self._get, versions),
            MethodBinding("tasks/update", Update, self._update, versions),
            MethodBinding("tasks/cancel", TaskId, self._cancel, versions),
        ]

    async def intercept_tool_call(self, params: Any, context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
        del params, context  # the tool has looked at both
        result = await call_next()
        return result.task if isinstance(result, Promised) else result

    async def _get(self, context: Any, params: TaskId) -> dict[str, Any]:
        _check(context, params)
        try:
            told = await self.keeper().get(params.task_id, can_ask=can_elicit(context))
        except BackgroundJobError as error:
            raise MCPError(INTERNAL_ERROR, utf8(str(error)), {ERROR_CODE: error.code}) from error
        return _DONE | _known(told, params)

    async def _update(self, context: Any, params: Update) -> dict[str, Any]:
        _check(context, params)
        try:
            _known(await self.keeper().update(params.task_id, params.input_responses), params)
        except BackgroundJobError as error:
            raise MCPError(INVALID_PARAMS, utf8(str(error)), {ERROR_CODE: error.code}) from error
        return _DONE

    async def _cancel(self, context: Any, params: TaskId) -> dict[str, Any]:
        _check(context, params)
        try:
            _known(await self.keeper().cancel(params.task_id), params)
        except BackgroundJobError as error:
            raise MCPError(INTERNAL_ERROR, utf8(str(error)), {ERROR_CODE: error.code}) from error
        return _DONE


def require_declared(context: Any) -> None:
    """Refuse a request of a client that has not said that it knows tasks."""
    if not declares_extension(context, EXTENSION):
        needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, f"the client has not declared {EXTENSION}", needed)


def _check(context: Any, params: TaskId) -> None:
    require_declared(context)
    named = name_in_header()
    if named is not None and named != params.task_id:
        raise MCPError(HEADER_MISMATCH, f"Mcp-Name names {utf8(named)!r}, and taskId {utf8(params.task_id)!r}")


def _known(found: Any, params: TaskId) -> Any:
    if found is None or found is False:
        raise MCPError(INVALID_PARAMS, f"there is no task {utf8(params.task_id)!r}", {"taskId": utf8(params.task_id)})
    return found
