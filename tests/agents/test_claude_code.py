"""Claude Code asks, and is answered; the answers are those that a real one took."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_background_job.agents.adapters.claude_stream import ClaudeParser
from mcp_background_job.agents.adapters.table import adapter_named
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.errors import InvalidRequestError
from tests.agents.recordings import lines_of, sent_in

ADAPTER = adapter_named("claude_code")

#: An answer to the first message on the channel: from then on it can be told more.
_HELLO = {"type": "control_response", "response": {"subtype": "success", "request_id": "hello"}}


def _asking(*messages: dict[str, Any]) -> ClaudeParser:
    parser = ClaudeParser()
    for message in (_HELLO, *messages):
        parser.feed(json.dumps(message).encode())
    return parser


def _permission(request_id: str = "r1", tool: str = "Bash", **request: Any) -> dict[str, Any]:
    asked = {"subtype": "can_use_tool", "tool_name": tool, "tool_use_id": f"t-{request_id}", "input": {"command": "ls"}}
    return {"type": "control_request", "request_id": request_id, "request": asked | request}


def _question(*questions: str) -> dict[str, Any]:
    asked = [{"question": question, "options": [{"label": "SQLite"}, {"label": "Postgres"}]} for question in questions]
    return _permission("q1", "AskUserQuestion", input={"questions": asked})


def _sent(parser: ClaudeParser, text: str = "", **data: Any) -> Any:
    line = ADAPTER.answer(parser, text, data)
    assert line.endswith(b"\n")
    return json.loads(line)


def _response(parser: ClaudeParser, text: str = "", **data: Any) -> Any:
    return _sent(parser, text, **data)["response"]["response"]


def _until_asked(recording: str) -> ClaudeParser:
    parser = ClaudeParser()
    for line in lines_of(recording):
        if any(event.type is EventType.INPUT_REQUIRED for event in parser.feed(line)):
            return parser
    raise AssertionError("it never asked")


@pytest.mark.parametrize(
    ("recording", "text", "data"),
    [
        ("claude/bidi/permission_allow", "yes", {}),
        ("claude/bidi/permission_allow", "", {"option_id": "allow_once"}),
        ("claude/bidi/permission_allow", "", {"decision": "allow"}),
        ("claude/bidi/permission_deny", "host said no", {"decision": "deny"}),
        ("claude/bidi/permission_deny", "host said no", {"option_id": "reject_once"}),
    ],
)
def test_a_permission_is_answered_as_a_real_claude_took_it(recording: str, text: str, data: dict[str, Any]) -> None:
    taken = next(message for message in sent_in(recording) if message["type"] == "control_response")
    assert _sent(_until_asked(recording), text, **data) == taken


def test_a_request_is_open_until_its_tool_has_given_a_result() -> None:
    parser = _until_asked("claude/bidi/permission_allow")
    lines = lines_of("claude/bidi/permission_allow")
    assert len(parser.dump()["pending"]) == 1
    events = [event for line in lines[4:] for event in parser.feed(line)]
    assert (events[0].type, events[0].data) == (EventType.STATUS_CHANGED, {"status": "running"})
    assert parser.dump()["pending"] == {}


def test_a_request_that_is_withdrawn_is_no_longer_open() -> None:
    parser = _asking(_permission("r1"), _permission("r2"))
    assert not parser.feed(b'{"type":"control_cancel_request","request_id":"r2"}')
    (event,) = parser.feed(b'{"type":"control_cancel_request","request_id":"r1"}')
    assert event.data == {"status": "running"}
    assert not parser.feed(b'{"type":"control_cancel_request","request_id":"r1"}')


def test_the_oldest_request_is_answered_unless_another_one_is_named() -> None:
    parser = _asking(_permission("r1"), _permission("r2"))
    assert _sent(parser, "yes")["response"]["request_id"] == "r1"
    assert _sent(parser, "yes", request_id="r2")["response"]["request_id"] == "r2"
    with pytest.raises(InvalidRequestError, match="no open request 'r3'; open are: r1, r2"):
        _sent(parser, "yes", request_id="r3")


def test_what_is_allowed_for_the_session_is_not_written_into_the_workspace() -> None:
    rule = {"type": "addRules", "rules": [{"toolName": "Bash"}], "destination": "localSettings"}
    parser = _asking(_permission(permission_suggestions=[rule]))
    response = _response(parser, "allow_always")
    assert response["updatedPermissions"] == [rule | {"destination": "session"}]
    assert "updatedPermissions" not in _response(parser, "yes")


def test_allowing_for_the_session_is_offered_only_where_claude_suggests_a_rule() -> None:
    parser = _asking(_permission())
    (pending,) = parser.dump()["pending"].values()
    assert [option["option_id"] for option in pending["asked"]["options"]] == ["allow_once", "reject_once"]
    with pytest.raises(InvalidRequestError, match="not one of the options"):
        _sent(parser, "allow_always")


def test_text_that_is_no_choice_neither_allows_nor_denies() -> None:
    with pytest.raises(InvalidRequestError, match="'go on then' is not one of the options"):
        _sent(_asking(_permission()), "go on then")


def test_a_question_is_told_with_its_choices_and_answered_in_words() -> None:
    parser = _asking(_question("Which database?"))
    (pending,) = parser.dump()["pending"].values()
    assert (pending["asked"]["kind"], pending["asked"]["text"]) == ("question", "Which database?")
    assert pending["asked"]["questions"][0]["options"][0]["label"] == "SQLite"
    response = _response(parser, "SQLite")
    assert response["behavior"] == "allow"
    assert response["updatedInput"]["answers"] == {"Which database?": "SQLite"}
    assert response["updatedInput"]["questions"] == pending["asked"]["questions"]


def test_several_questions_need_an_answer_each() -> None:
    parser = _asking(_question("Which?", "Where?"))
    answers = {"Which?": ["SQLite", "Postgres"], "Where?": "here"}
    given = _response(parser, answers=answers)["updatedInput"]["answers"]
    assert given == {"Which?": "SQLite, Postgres", "Where?": "here"}
    for text, data in (("SQLite", {}), ("", {"answers": {"Which?": "SQLite"}}), ("", {"answers": 3})):
        with pytest.raises(InvalidRequestError, match="no answer to 'Wh"):
            _sent(parser, text, **data)


def test_when_nothing_is_asked_the_text_is_the_next_message() -> None:
    message = _sent(_asking(), "and the tests?")
    assert message["message"] == {"role": "user", "content": [{"type": "text", "text": "and the tests?"}]}
    with pytest.raises(InvalidRequestError, match="no text to send"):
        _sent(_asking(), "  ")


def test_a_run_that_was_started_without_a_channel_takes_nothing() -> None:
    parser = ClaudeParser()
    for line in lines_of("claude/sleep_SIGTERM_pid"):
        parser.feed(line)
    with pytest.raises(InvalidRequestError, match="takes no input while it works"):
        ADAPTER.answer(parser, "stop that", {})
    assert ADAPTER.cancel_message(parser) is None


def test_it_is_interrupted_as_a_real_claude_was_and_only_while_it_works() -> None:
    parser = ClaudeParser()
    *before, result = lines_of("claude/bidi/interrupt")
    for line in before:
        parser.feed(line)
    interrupt = ADAPTER.cancel_message(parser)
    assert interrupt is not None
    taken = next(message for message in sent_in("claude/bidi/interrupt") if message.get("request_id") == "cancel")
    assert json.loads(interrupt)["request"] == taken["request"]
    parser.feed(result)
    assert ADAPTER.cancel_message(parser) is None


def test_a_second_turn_in_the_same_process_takes_back_the_end_of_the_first() -> None:
    parser = ClaudeParser()
    ends: list[bool] = []
    for line in lines_of("claude/bidi/two_turns"):
        parser.feed(line)
        ends.append(parser.end is not None)
    assert ends == [False, False, False, True, False, False, True]


def _ended(**result: Any) -> tuple[RunStatus, dict[str, Any]]:
    parser = ClaudeParser()
    parser.feed(json.dumps({"type": "result"} | result).encode())
    assert parser.end
    return parser.end.status, parser.end.data


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        ({"subtype": "success", "result": "x"}, RunStatus.COMPLETED, None),
        ({"subtype": "success", "result": "x", "is_error": True}, RunStatus.FAILED, None),
        ({"subtype": "success", "result": "x", "is_error": True, "api_error_status": 401}, RunStatus.FAILED, "auth"),
        ({"subtype": "success", "result": "x", "is_error": True, "api_error_status": 403}, RunStatus.FAILED, "auth"),
        ({"subtype": "error_max_turns", "is_error": False}, RunStatus.FAILED, "max_turns"),
        ({"subtype": "error_during_execution", "errors": ["No conversation found"]}, RunStatus.FAILED, None),
        ({}, RunStatus.FAILED, None),
    ],
)
def test_only_a_success_that_is_no_error_is_completed(
    result: dict[str, Any], status: RunStatus, reason: str | None
) -> None:
    found, data = _ended(**result)
    assert found is status
    if reason:
        assert data["reason"] == reason
    assert status is RunStatus.COMPLETED or data["error"]


def test_a_structured_output_is_told_beside_the_final_response() -> None:
    _, data = _ended(subtype="success", result='{"a": 1}', structured_output={"a": 1})
    assert (data["final_response"], data["structured_output"]) == ('{"a": 1}', {"a": 1})


def _calls(name: str, arguments: Any, result: Any, **user: Any) -> list[tuple[str, dict[str, Any]]]:
    use = {"type": "tool_use", "id": "t1", "name": name, "input": arguments}
    gave = {"type": "tool_result", "tool_use_id": "t1"} | result
    parser = ClaudeParser()
    events = parser.feed(json.dumps({"type": "assistant", "message": {"content": [use]}}).encode())
    events += parser.feed(json.dumps({"type": "user", "message": {"content": [gave]}} | user).encode())
    return [(event.type.value, event.data) for event in events]


def test_an_edit_is_told_once_it_has_been_made() -> None:
    (told,) = _calls("Write", {"file_path": "/w/a.py"}, {"content": "ok"}, tool_use_result={"type": "create"})
    change = {"path": "/w/a.py", "kind": "add"}
    assert told == ("file_changed", {"id": "t1", "status": "completed", "changes": [change]})
    ((_, data),) = _calls("Edit", {"file_path": "/w/a.py"}, {"content": "no such text", "is_error": True})
    change = {"path": "/w/a.py", "kind": "update"}
    assert data == {"id": "t1", "status": "failed", "changes": [change], "output": "no such text"}


@pytest.mark.parametrize(("output", "exit_code"), [("Exit code 137\nstarted", 137), ("Exit code " + "9" * 5000, None)])
def test_the_exit_code_of_a_command_is_read_from_its_result(output: str, exit_code: int | None) -> None:
    _, (_, data) = _calls("Bash", {"command": "make"}, {"content": output, "is_error": True})
    assert data.get("exit_code") == exit_code
    assert (data["status"], data["output"]) == ("failed", output)


def test_a_plan_is_told_when_it_is_written() -> None:
    todos = [{"content": "look", "status": "completed", "activeForm": "Looking"}, {"content": "fix"}]
    (told,) = _calls("TodoWrite", {"todos": todos}, {"content": "ok"})
    items = [{"text": "look", "status": "completed"}, {"text": "fix", "status": "pending"}]
    assert told == ("todo_updated", {"items": items})


def test_any_other_tool_is_told_with_what_it_was_given_and_gave() -> None:
    content = [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]
    started, finished = _calls("Read", {"file_path": "/w/a.py"}, {"content": content})
    assert started == ("tool_started", {"id": "t1", "name": "Read", "input": {"file_path": "/w/a.py"}})
    assert finished == ("tool_finished", {"id": "t1", "name": "Read", "status": "completed", "output": "one\ntwo"})


def test_words_of_a_subagent_are_marked_and_are_not_the_answer() -> None:
    parser = ClaudeParser()
    message = {"content": [{"type": "text", "text": "looking"}]}
    (event,) = parser.feed(json.dumps({"type": "assistant", "message": message, "parent_tool_use_id": "t1"}).encode())
    assert event.data == {"parent_id": "t1", "text": "looking"}
    assert parser.said == ""
