"""What the items of Codex tell, that no recording has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.agents.adapters.codex import CodexParser
from mcp_background_job.core.run import RunStatus


def _fed(*messages: dict[str, Any]) -> tuple[CodexParser, list[Event]]:
    parser = CodexParser()
    return parser, [event for message in messages for event in parser.feed(json.dumps(message).encode())]


def _item(phase: str, kind: str, **item: Any) -> list[tuple[str, dict[str, Any]]]:
    _, events = _fed({"type": f"item.{phase}", "item": {"id": "item_1", "type": kind} | item})
    return [(event.type.value, event.data) for event in events]


def test_a_change_of_files_is_told_when_it_has_been_made() -> None:
    changes = [{"path": "a.py", "kind": "add"}, {"path": "b.py", "kind": "update"}]
    assert _item("started", "file_change", changes=changes, status="in_progress") == []
    told = _item("completed", "file_change", changes=changes, status="completed")
    assert told == [("file_changed", {"id": "item_1", "status": "completed", "changes": changes})]


@pytest.mark.parametrize("phase", ["started", "updated", "completed"])
def test_a_plan_is_told_whenever_it_changes(phase: str) -> None:
    items = [{"text": "look", "completed": True}, {"text": "fix", "completed": False}]
    steps = [{"text": "look", "status": "completed"}, {"text": "fix", "status": "pending"}]
    assert _item(phase, "todo_list", items=items) == [("todo_updated", {"id": "item_1", "items": steps})]


def test_a_tool_of_a_server_is_told_with_what_it_was_given_and_gave() -> None:
    call = {"server": "files", "tool": "read", "arguments": {"path": "a.py"}}
    name = {"id": "item_1", "name": "files.read", "input": {"path": "a.py"}}
    started = _item("started", "mcp_tool_call", status="in_progress", result=None, error=None, **call)
    assert started == [("tool_started", name | {"status": "in_progress"})]
    result = {"content": [{"type": "text", "text": "import os"}]}
    finished = _item("completed", "mcp_tool_call", status="completed", result=result, error=None, **call)
    assert finished == [("tool_finished", name | {"status": "completed", "output": "import os"})]
    failed = _item("completed", "mcp_tool_call", status="failed", error={"message": "no file"}, **call)
    assert failed == [("tool_finished", name | {"status": "failed", "output": "no file"})]


def test_a_search_and_an_item_of_a_later_version_are_told_as_tools() -> None:
    told = _item("completed", "web_search", query="pidfd")
    assert told == [("tool_finished", {"id": "item_1", "name": "web_search", "input": {"query": "pidfd"}})]
    told = _item("started", "dream", about="sheep")
    assert told == [("tool_started", {"id": "item_1", "name": "dream", "input": {"about": "sheep"}})]
    assert _item("updated", "dream") == []


def test_a_command_is_told_while_it_runs() -> None:
    told = _item("updated", "command_execution", command="make", aggregated_output="one\n", status="in_progress")
    data = {"id": "item_1", "command": "make", "output": "one\n", "status": "in_progress"}
    assert told == [("command_updated", data)]


def test_thoughts_are_told_and_the_last_message_is_the_answer() -> None:
    parser, events = _fed(
        {"type": "item.completed", "item": {"type": "agent_message", "text": "looking"}},
        {"type": "item.completed", "item": {"type": "reasoning", "text": "hm"}},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "done"}},
        {"type": "turn.completed"},
    )
    assert [(event.type.value, event.data["text"]) for event in events] == [
        ("agent_message", "looking"),
        ("reasoning", "hm"),
        ("agent_message", "done"),
    ]
    assert parser.end
    assert (parser.end.status, parser.end.data["final_response"]) == (RunStatus.COMPLETED, "done")


def test_an_error_between_does_not_end_it_and_a_failed_turn_does() -> None:
    parser, (event,) = _fed({"type": "error", "message": "Reconnecting... 1/5"})
    assert event.data == {"text": "Reconnecting... 1/5", "warning": True}
    assert parser.end is None
    parser, _ = _fed({"type": "turn.failed", "error": {"message": "out of tokens"}})
    assert parser.end
    assert (parser.end.status, parser.end.data) == (
        RunStatus.FAILED,
        {"error": "out of tokens", "reason": "agent_error"},
    )
