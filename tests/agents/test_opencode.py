"""How opencode ends, and what its tools tell that no recording has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.agents.adapters.opencode import OpencodeParser
from mcp_background_job.agents.adapters.table import adapter_named
from mcp_background_job.core.run import RunStatus
from tests.agents.requests import request


def _fed(*messages: dict[str, Any]) -> tuple[OpencodeParser, list[Event]]:
    parser = OpencodeParser()
    return parser, [event for message in messages for event in parser.feed(json.dumps(message).encode())]


def _finish(reason: str) -> dict[str, Any]:
    return {"type": "step_finish", "part": {"reason": reason, "tokens": {"output": 1, "cost": 2}, "cost": 0}}


_START: dict[str, Any] = {"type": "step_start", "part": {}}
_ERROR: dict[str, Any] = {"type": "error", "error": {"name": "APIError", "data": {"message": "overloaded"}}}


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([], None),
        ([_START, _finish("tool-calls")], None),
        ([_START, _finish("tool-calls"), _START, _finish("stop")], RunStatus.COMPLETED),
        ([_START, _finish("stop"), _START], None),
        ([_START, _finish("length")], RunStatus.FAILED),
        ([_START, _finish("")], RunStatus.FAILED),
        ([_ERROR], RunStatus.FAILED),
        ([_START, _finish("stop"), _ERROR], RunStatus.FAILED),
        ([_ERROR, _START, _finish("stop")], RunStatus.FAILED),
    ],
)
def test_it_is_completed_if_its_last_step_stopped_and_nothing_went_wrong(
    messages: list[dict[str, Any]], status: RunStatus | None
) -> None:
    parser, _ = _fed(*messages)
    assert (parser.end and parser.end.status) == status


@pytest.mark.parametrize(
    ("args", "logs"),
    [
        ([], ["--print-logs", "--log-level=ERROR"]),
        (["--agent=plan"], ["--print-logs", "--log-level=ERROR"]),
        (["--print-logs"], ["--print-logs"]),
        (["--log-level", "DEBUG"], ["--log-level"]),
        (["--log-level=DEBUG"], ["--log-level=DEBUG"]),
    ],
)
def test_it_prints_the_errors_in_its_log_unless_somebody_has_chosen_another_log(
    args: list[str], logs: list[str]
) -> None:
    launch = adapter_named("opencode").launch(request(args=args), "/bin/opencode")
    assert [word for word in launch.argv if "log" in word] == logs


@pytest.mark.parametrize(("status", "reason"), [(401, "auth"), (403, "auth"), (418, "api_error")])
def test_a_refused_key_is_told_by_the_status_alone(status: int, reason: str | None) -> None:
    parser, _ = _fed({"type": "error", "error": {"name": "APIError", "data": {"message": "no", "statusCode": status}}})
    assert parser.end
    assert parser.end.data.get("reason") == reason


def _tool(name: str, **state: Any) -> list[tuple[str, dict[str, Any]]]:
    _, events = _fed({"type": "tool_use", "part": {"callID": "c1", "tool": name, "state": state}})
    return [(event.type.value, event.data) for event in events]


def test_an_edit_a_plan_and_another_tool_are_told() -> None:
    (edit,) = _tool("write", status="completed", input={"filePath": "/w/a.py"}, output="ok")
    change = {"path": "/w/a.py", "kind": "update"}
    assert edit == ("file_changed", {"id": "c1", "status": "completed", "changes": [change]})
    (plan,) = _tool("todowrite", status="completed", input={"todos": [{"content": "look", "priority": "high"}]})
    assert plan == ("todo_updated", {"items": [{"text": "look", "status": "pending", "priority": "high"}]})
    started, finished = _tool("read", status="error", input={"filePath": "b"}, error="no file")
    assert started == ("tool_started", {"id": "c1", "name": "read", "input": {"filePath": "b"}})
    assert finished == ("tool_finished", {"id": "c1", "name": "read", "status": "failed", "output": "no file"})
