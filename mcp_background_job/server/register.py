"""Makes FastMCP tools of the methods: short schemas, errors as sentences, unseen endings on top of every answer."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast, get_type_hints

from pydantic import BaseModel
from pydantic import ValidationError as PydanticValidationError

from mcp_background_job.core.wire import lone_surrogate, utf8
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.context import client_name
from mcp_background_job.server.endings import Endings
from mcp_background_job.server.fastmcp_names import (
    FunctionTool,
    ToolAnnotations,
    ToolError,
    ToolResult,
    ValidationError,
)
from mcp_background_job.server.results import (
    ComfyUIResult,
    JobResult,
    JobsResult,
    KillResult,
    RestartResult,
    RunResult,
    StatusResult,
    Structured,
    as_tool_result,
    schema_of,
)
from mcp_background_job.server.tools.comfyui import ComfyUIDoor, LifecycleTools, RenderTools
from mcp_background_job.server.tools.comfyui_outputs import OutputTools as ComfyUIOutputTools
from mcp_background_job.server.tools.comfyui_queue import QueueTools
from mcp_background_job.server.tools.control import ControlTools
from mcp_background_job.server.tools.output import OutputTools
from mcp_background_job.server.tools.runs import RunsDoor, RunTools
from mcp_background_job.server.tools.start import StartTools
from mcp_background_job.server.tools.watch import WatchTools

Method = Callable[..., Awaitable[Structured | str]]

_LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_STARTS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)
_NOTES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
_ENDS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


#: Characters of an argument that an error quotes.
_QUOTED = 100


def job_tools(manager: JobManager, endings: Endings) -> list[FunctionTool]:
    """Return the nine job tools."""
    start, watch = StartTools(manager, endings), WatchTools(manager)
    output, control = OutputTools(manager), ControlTools(manager)
    table: list[tuple[Method, ToolAnnotations, type[BaseModel] | None]] = [
        (start.execute_command, _STARTS, JobResult),
        (watch.wait_for_job, _LOOKS, None),  # one job or several: two forms
        (watch.get_job_status, _LOOKS, StatusResult),
        (output.tail_job_output, _LOOKS, None),
        (output.get_job_output, _LOOKS, None),
        (control.interact_with_job, _STARTS, None),
        (control.kill_job, _ENDS, KillResult),
        (start.restart_job, _STARTS, RestartResult),
        (watch.list_jobs, _LOOKS, JobsResult),
    ]
    return [_tool(method, hints, result, endings) for method, hints, result in table]


def comfyui_tools(comfyui: ComfyUIDoor, endings: Endings) -> list[FunctionTool]:
    """Return the tools that control ComfyUI."""
    renders, queue = RenderTools(comfyui), QueueTools(comfyui)
    outputs, lifecycle = ComfyUIOutputTools(comfyui), LifecycleTools(comfyui)
    table: list[tuple[Method, ToolAnnotations]] = [
        (renders.comfyui_status, _LOOKS),
        (renders.comfyui_submit, _STARTS),
        (renders.comfyui_job, _LOOKS),
        (renders.comfyui_cancel_job, _ENDS),
        (renders.comfyui_cancel_queued_job, _ENDS),
        (queue.comfyui_batch, _ENDS),
        (queue.comfyui_session, _NOTES),
        (queue.comfyui_jobs, _LOOKS),
        (queue.comfyui_errors, _LOOKS),
        (queue.comfyui_clear_history, _ENDS),
        (outputs.comfyui_download, _ADDS),
        (lifecycle.start_comfyui, _STARTS),
        (lifecycle.stop_comfyui, _ENDS),
        (lifecycle.restart_comfyui, _STARTS),
    ]
    return [_tool(method, hints, None, endings) for method, hints in table]


def run_tools(runs: RunsDoor, endings: Endings) -> list[FunctionTool]:
    """Return the tools for runs of other agents. Their errors begin as those of the server whose names they have."""
    tools = RunTools(runs)
    table: list[tuple[Method, ToolAnnotations]] = [
        (tools.spawn_run, _STARTS),
        (tools.get_run, _LOOKS),
        (tools.poll_events, _LOOKS),
        (tools.cancel_run, _ENDS),
        (tools.continue_run, _STARTS),
        (tools.list_runs, _LOOKS),
        (tools.get_event_artifact, _LOOKS),
    ]
    return [_tool(method, hints, None, endings, error="Error: ") for method, hints in table]


class _JobTool(FunctionTool):
    """A tool that says in one sentence what is wrong with its arguments."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        if text := lone_surrogate(arguments):
            raise ToolError(f"bad arguments: '{text:.{_QUOTED}}' holds half of a surrogate pair, which is no character")
        try:
            return await super().run(arguments)
        except ValidationError as error:
            raise ToolError(utf8(_sentence(error))) from error


def _sentence(error: ValidationError) -> str:
    cause = error.__cause__
    if not isinstance(cause, PydanticValidationError):
        return str(error)
    problems = (
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}, not {problem['input']!r:.100}"
        for problem in cause.errors()
    )
    return "bad arguments: " + "; ".join(problems)


def _tool(
    method: Method, hints: ToolAnnotations, result: type[BaseModel] | None, endings: Endings, *, error: str = ""
) -> FunctionTool:
    tool = _JobTool.from_function(
        _answering(method, endings, error),
        name=getattr(method, "__name__", ""),
        description=inspect.getdoc(method),
        annotations=hints,
        output_schema=schema_of(result) if result else None,
    )
    tool.parameters = shortened(tool.parameters)
    return tool


def _answering(method: Method, endings: Endings, prefix: str) -> Callable[..., Awaitable[ToolResult]]:
    async def answer(*args: Any, **kwargs: Any) -> ToolResult:
        try:
            result = await method(*args, **kwargs)
        except BackgroundJobError as error:
            raise ToolError(utf8(f"{prefix}{error}")) from error
        return as_tool_result(result, await endings.of_others(client_name(), _shown(result, kwargs)))

    # Like the method, but without its docstring, which is given separately: FastMCP would load a parser of docstrings.
    hints = {**get_type_hints(method, include_extras=True), "return": ToolResult}
    signature = inspect.signature(method)
    parameters = [item.replace(annotation=hints[name]) for name, item in signature.parameters.items()]
    vars(answer)["__signature__"] = signature.replace(parameters=parameters, return_annotation=ToolResult)
    answer.__annotations__ = hints
    answer.__name__ = getattr(method, "__name__", "")
    return answer


def _shown(result: Structured | str, arguments: dict[str, Any]) -> set[str]:
    """Return the ids of the jobs whose end the answer itself shows."""
    if isinstance(result, JobsResult):
        return {str(row["job_id"]) for row in result.jobs}
    if isinstance(result, str):
        return {str(arguments.get("job_id"))}
    if isinstance(result, ComfyUIResult | RunResult):
        return set()
    return {result.job_id, getattr(result, "restarted_from", None) or result.job_id}


def shortened(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without titles, and with ``null`` left out of what may be left out itself."""
    short: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("title", "additionalProperties"):
            continue
        if key == "default" and value is None:
            continue
        if key == "properties":
            short[key] = {name: shortened(cast("dict[str, Any]", item)) for name, item in value.items()}
        elif key == "anyOf":
            short |= _without_null(cast("list[dict[str, Any]]", value))
        elif isinstance(value, dict):
            short[key] = shortened(cast("dict[str, Any]", value))
        else:
            short[key] = value
    return short


def _without_null(options: list[dict[str, Any]]) -> dict[str, Any]:
    rest = [shortened(option) for option in options if option.get("type") != "null"]
    return rest[0] if len(rest) == 1 else {"anyOf": rest}
