"""What Gemini CLI tells, that no recording has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.agents.adapters.gemini import GeminiParser
from mcp_background_job.core.run import RunStatus


def _piece(content: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": content, "delta": True}


def _feed(parser: GeminiParser, *messages: dict[str, Any]) -> list[Event]:
    return [event for message in messages for event in parser.feed(json.dumps(message).encode())]


@pytest.mark.parametrize(
    "after",
    [
        {"type": "tool_use", "tool_id": "t1", "tool_name": "read_file"},
        {"type": "tool_result", "tool_id": "t1"},
        {"type": "message", "role": "user", "content": "go on"},
        {"type": "error", "severity": "warning", "message": "it repeats itself"},
        {"type": "result", "status": "success"},
    ],
)
def test_a_message_in_pieces_is_told_whole_before_what_follows(after: dict[str, Any]) -> None:
    parser = GeminiParser()
    assert _feed(parser, _piece("one "), _piece("two")) == []
    first, *_ = _feed(parser, after)
    assert (first.type.value, first.data) == ("agent_message", {"text": "one two"})


def test_a_message_that_is_cut_off_by_the_end_is_told_when_the_stream_is_closed() -> None:
    parser = GeminiParser()
    _feed(parser, _piece("half of"))
    (event,) = parser.close(None)
    assert event.data == {"text": "half of"}
    assert parser.end is None
    assert parser.close(None) == []


def test_the_last_message_is_the_answer() -> None:
    parser = GeminiParser()
    use = {"type": "tool_use", "tool_id": "t1", "tool_name": "read_file"}
    _feed(parser, _piece("looking"), use, _piece("do"), _piece("ne"), {"type": "result", "status": "success"})
    assert parser.end
    assert parser.end.data == {"final_response": "done", "usage": {}}


@pytest.mark.parametrize("exit_code", [41, 145, 147])
def test_an_exit_code_that_means_no_valid_login_is_the_reason(exit_code: int) -> None:
    parser = GeminiParser()
    parser.close(exit_code)
    assert parser.end
    assert (parser.end.status, parser.end.data["reason"]) == (RunStatus.FAILED, "auth")
    parser = GeminiParser()
    _feed(parser, {"type": "result", "status": "error", "error": {"message": "[API Error: no]"}})
    parser.close(exit_code)
    assert parser.end
    assert (parser.end.data["error"], parser.end.data["reason"]) == ("[API Error: no]", "auth")


@pytest.mark.parametrize("exit_code", [0, 1, 42, 55, None])
def test_no_other_exit_code_tells_how_it_ended(exit_code: int | None) -> None:
    parser = GeminiParser()
    parser.close(exit_code)
    assert parser.end is None
    _feed(parser, {"type": "result", "status": "success"})
    parser.close(41)
    assert parser.end
    assert parser.end.status is RunStatus.COMPLETED


def test_an_edit_is_told_with_its_file_and_its_failure() -> None:
    parser = GeminiParser()
    use = {"type": "tool_use", "tool_id": "t1", "tool_name": "replace", "parameters": {"file_path": "/w/a.py"}}
    result = {"type": "tool_result", "tool_id": "t1", "status": "error", "error": {"message": "no such text"}}
    (event,) = _feed(parser, use, result)
    change = {"path": "/w/a.py", "kind": "update"}
    assert event.data == {"id": "t1", "status": "failed", "changes": [change], "output": "no such text"}
