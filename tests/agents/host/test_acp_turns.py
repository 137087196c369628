"""Whole turns with a real agent, through a real host process and the parser."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mcp_background_job.agents.adapters.hosted import line
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.errors import InvalidRequestError
from tests.agents.host.driver import Host

Start = Callable[..., Host]


def test_the_chunks_of_a_message_make_one_event_and_the_turn_completes(start_agent: Start) -> None:
    host = start_agent("echo hello to you")
    end = host.ended()
    assert end.status is RunStatus.COMPLETED
    assert end.data["final_response"] == "hello to you "
    assert host.texts(EventType.AGENT_MESSAGE) == ["hello to you "]
    assert host.parser.session_id == f"session in {host.workspace}"


def test_a_prompt_larger_than_any_pipe_arrives_whole(start_agent: Start) -> None:
    prompt = "x" * 300_000
    assert start_agent(f"echo {prompt}").ended().data["final_response"] == prompt + " "


def test_a_message_larger_than_any_buffer_comes_through_whole(start_agent: Start) -> None:
    assert start_agent("long 3000000").ended().data["final_response"] == "x" * 3_000_000


def test_a_permission_is_asked_for_and_the_answer_reaches_the_agent(start_agent: Start) -> None:
    host = start_agent("ask")
    question = host.wait_for(EventType.INPUT_REQUIRED)
    assert question.data["text"] == "rm -rf x"
    assert [option["option_id"] for option in question.data["options"]] == ["always", "once", "never"]
    assert [event.type for event in host.events][-2:] == [EventType.COMMAND_STARTED, EventType.INPUT_REQUIRED]
    host.answer(decision="deny")
    assert host.ended().data["final_response"] == "never"


def test_an_answer_that_means_no_option_is_refused_and_the_question_stays_open(start_agent: Start) -> None:
    host = start_agent("ask")
    host.wait_for(EventType.INPUT_REQUIRED)
    with pytest.raises(InvalidRequestError, match="'once'"):
        host.answer("perhaps")
    host.answer("no")
    assert host.ended().data["final_response"] == "never"


def test_two_permissions_are_asked_for_one_after_the_other(start_agent: Start) -> None:
    host = start_agent("ask_twice")
    first = host.wait_for(EventType.INPUT_REQUIRED)
    host.answer("yes")
    second = host.wait_for(EventType.INPUT_REQUIRED)
    assert (first.data["request_id"], second.data["request_id"]) == ("1", "2")
    host.answer("no")
    host.ended()
    assert sorted("".join(host.texts(EventType.AGENT_MESSAGE)).replace("once", "1").replace("never", "2")) == ["1", "2"]


def test_an_answer_that_comes_twice_is_used_once(start_agent: Start) -> None:
    host = start_agent("ask")
    host.wait_for(EventType.INPUT_REQUIRED)
    answer = host.adapter.answer(host.parser, "yes", {})
    host.say(answer + answer)
    assert host.ended().data["final_response"] == "once"
    assert [event.data["warning"] for event in host.told(EventType.REASONING)] == [True]


def test_full_access_answers_by_itself_and_only_once(start_agent: Start) -> None:
    host = start_agent("ask", full_access=True)
    assert host.ended().data["final_response"] == "once"
    assert host.texts(EventType.REASONING) == ["allowed without asking: rm -rf x"]
    assert host.told(EventType.INPUT_REQUIRED) == []


def test_a_further_message_is_the_next_turn_of_the_same_session(start_agent: Start) -> None:
    host = start_agent("ask")
    host.wait_for(EventType.INPUT_REQUIRED)
    host.say(line(message="echo and more"))
    host.answer("yes")
    assert host.ended().data["final_response"] == "and more "
    assert host.texts(EventType.AGENT_MESSAGE) == ["once", "and more "]


def test_a_command_is_told_from_its_start_to_its_exit_code(start_agent: Start) -> None:
    host = start_agent("run exit 3")
    host.ended()
    started, finished = host.told(EventType.COMMAND_STARTED, EventType.COMMAND_FINISHED)
    assert started.data["command"] == finished.data["command"] == "exit 3"
    assert finished.data["exit_code"] == 3


def test_edits_and_plans_are_told(start_agent: Start) -> None:
    host = start_agent("edit /a/b.py")
    host.ended()
    (changed,) = host.told(EventType.FILE_CHANGED)
    assert changed.data["changes"] == [{"path": "/a/b.py", "kind": "update", "old_text": "old", "new_text": "new"}]
    (todo,) = host.told(EventType.TODO_UPDATED)
    assert todo.data["items"] == [{"text": "look again", "status": "pending", "priority": "low"}]


def test_a_flood_of_updates_is_told_in_order_and_whole(start_agent: Start) -> None:
    host = start_agent("flood 2000")
    assert host.ended().status is RunStatus.COMPLETED
    told = [(event.type, event.data["id"]) for event in host.told(EventType.TOOL_STARTED, EventType.TOOL_FINISHED)]
    expected = [(kind, f"call {n}") for n in range(2000) for kind in (EventType.TOOL_STARTED, EventType.TOOL_FINISHED)]
    assert told == expected


def test_a_refusal_rejects_the_run(start_agent: Start) -> None:
    end = start_agent("stop refusal").ended()
    assert (end.status, end.data["reason"]) == (RunStatus.REJECTED, "refusal")


def test_a_session_is_taken_up_again_and_what_was_said_in_it_is_not_repeated(start_agent: Start) -> None:
    host = start_agent("echo again", "--remember", resume="an old one")
    assert host.ended().status is RunStatus.COMPLETED
    assert host.parser.session_id == "an old one"
    assert host.texts(EventType.AGENT_MESSAGE) == ["again "]


def test_an_agent_that_cannot_take_a_session_up_again_fails_the_run(start_agent: Start) -> None:
    end = start_agent("echo again", resume="an old one").ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "resume")


def test_a_login_that_is_needed_for_a_session_can_be_answered(start_agent: Start) -> None:
    host = start_agent("echo in", "--login")
    question = host.wait_for(EventType.AUTH_REQUIRED)
    assert [method["id"] for method in question.data["methods"]] == ["browser", "key"]
    with pytest.raises(InvalidRequestError, match="browser, key"):
        host.answer("password")
    host.answer("key")
    assert host.ended().data["final_response"] == "in "


def test_a_login_that_fails_fails_the_run(start_agent: Start) -> None:
    host = start_agent("echo in", "--login")
    host.wait_for(EventType.AUTH_REQUIRED)
    host.answer(method_id="browser")
    end = host.ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "auth")


def test_an_agent_works_in_the_mode_that_was_asked_for(start_agent: Start) -> None:
    assert start_agent("mode", mode="bold").ended().data["final_response"] == "bold"


def test_an_agent_does_not_work_in_another_mode_than_was_asked_for(start_agent: Start) -> None:
    end = start_agent("mode", mode="reckless").ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "mode")
    assert end.data["error"] == "the agent has no mode 'reckless'; it has careful, bold"
