"""What a client learns before it calls anything."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any, cast

import pytest

from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import COMFYUI_INSTRUCTIONS, INSTRUCTIONS, MAILBOX_INSTRUCTIONS, RUNS_INSTRUCTIONS
from tests.server.calls import Caller

JOB_TOOLS = [
    "execute_command",
    "get_job_output",
    "get_job_status",
    "interact_with_job",
    "kill_job",
    "list_jobs",
    "restart_job",
    "tail_job_output",
    "wait_for_job",
]
COMFYUI_TOOLS = [
    "comfyui_batch",
    "comfyui_cancel_job",
    "comfyui_cancel_queued_job",
    "comfyui_clear_history",
    "comfyui_errors",
    "comfyui_free",
    "comfyui_download",
    "comfyui_upload",
    "comfyui_job",
    "comfyui_jobs",
    "comfyui_models",
    "comfyui_nodes",
    "comfyui_session",
    "comfyui_status",
    "comfyui_submit",
    "restart_comfyui",
    "start_comfyui",
    "stop_comfyui",
]
RUN_TOOLS = [
    "cancel_run",
    "continue_run",
    "get_event_artifact",
    "get_run",
    "list_runs",
    "poll_events",
    "spawn_run",
]


async def test_the_tools_are_offered(client: Caller) -> None:
    assert sorted(tool.name for tool in await client.client.list_tools()) == sorted(
        JOB_TOOLS + COMFYUI_TOOLS + RUN_TOOLS
    )


async def test_what_agents_need_most_comes_first_and_is_never_left_for_a_search(client: Caller) -> None:
    first = (await client.client.list_tools())[:3]
    assert [tool.name for tool in first] == ["execute_command", "wait_for_job", "kill_job"]
    assert [tool.meta for tool in first] == [{"anthropic/alwaysLoad": True}] * 3


async def test_no_tool_has_notes_that_say_nothing(client: Caller) -> None:
    for tool in (await client.client.list_tools())[3:]:
        assert tool.meta is None


async def test_every_tool_says_what_it_does_to_the_world(client: Caller) -> None:
    for tool in await client.client.list_tools():
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is not None


async def test_only_tools_that_look_are_marked_read_only(client: Caller) -> None:
    looking = {
        tool.name for tool in await client.client.list_tools() if tool.annotations and tool.annotations.read_only_hint
    }
    assert looking == {
        "comfyui_errors",
        "comfyui_job",
        "comfyui_jobs",
        "comfyui_models",
        "comfyui_nodes",
        "comfyui_status",
        "get_event_artifact",
        "get_job_output",
        "get_job_status",
        "get_run",
        "list_jobs",
        "list_runs",
        "poll_events",
        "tail_job_output",
        "wait_for_job",
    }


async def test_the_shell_is_named_where_commands_are_asked_for(client: Caller, manager: JobManager) -> None:
    tools = {tool.name: tool for tool in await client.client.list_tools()}
    assert tools["execute_command"].description
    assert tools["execute_command"].description.endswith(f"The shell is {manager.shell}.")


@pytest.mark.requirement("tools.cheap")
@pytest.mark.parametrize(("names", "tokens"), [(JOB_TOOLS, 2400), (COMFYUI_TOOLS, 4200), (RUN_TOOLS, 1800)])
async def test_the_list_of_tools_is_within_its_budget(client: Caller, names: Collection[str], tokens: int) -> None:
    tools = [tool for tool in await client.client.list_tools() if tool.name in names]
    assert sum(map(_size, tools)) / 4 <= tokens


async def test_every_object_in_a_schema_says_what_may_be_in_it(client: Caller) -> None:
    """Some vendors of models refuse a tool of which a schema does not."""
    for tool in await client.client.list_tools():
        for schema in filter(None, (tool.input_schema, tool.output_schema)):
            for part in _objects(schema):
                assert {"properties", "additionalProperties"} & part.keys(), f"{tool.name}: {part}"


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, list):
        for item in cast("list[Any]", schema):
            yield from _objects(item)
    if isinstance(schema, dict):
        known = cast("dict[str, Any]", schema)
        if known.get("type") == "object":
            yield known
        for value in known.values():
            yield from _objects(value)


def _size(tool: Any) -> int:
    return len(json.dumps(tool.model_dump(mode="json", by_alias=True, exclude_none=True)))


async def test_every_answer_of_comfyui_has_a_form(client: Caller) -> None:
    """The client checks every answer against it, in all tests."""
    tools = {tool.name: tool for tool in await client.client.list_tools()}
    for name in COMFYUI_TOOLS:
        schema = tools[name].output_schema
        assert schema is not None, name
        assert set(schema["required"]) <= set(schema["properties"]), name


async def test_log_tools_return_text_alone(client: Caller) -> None:
    tools = {tool.name: tool for tool in await client.client.list_tools()}
    for name in ("tail_job_output", "get_job_output", "interact_with_job"):
        assert tools[name].output_schema is None


def test_the_instructions_take_at_most_150_words() -> None:
    assert len(INSTRUCTIONS.split()) <= 150
    assert len(COMFYUI_INSTRUCTIONS.split()) <= 60
    assert len(RUNS_INSTRUCTIONS.split()) <= 60
    assert len(MAILBOX_INSTRUCTIONS.split()) <= 40


def test_the_instructions_name_only_tools_that_exist() -> None:
    named = {word.strip(".,;:()") for word in INSTRUCTIONS.split() if word.strip(".,;:()") in JOB_TOOLS}
    assert {"execute_command", "wait_for_job", "list_jobs", "get_job_output", "interact_with_job", "kill_job"} <= named
