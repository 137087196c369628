"""Whole conversations with a real A2A agent on loopback, through a real host process and the parser."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Generator

import pytest

from mcp_background_job.agents.adapters.hosted import line
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.errors import InvalidRequestError
from tests.agents.host.conftest import RemoteAgent
from tests.agents.host.driver import Host
from tests.conftest import Liveness
from tests.patience import PATIENCE_S

Start = Callable[..., Host]


@pytest.fixture
def start_with() -> Generator[Callable[..., RemoteAgent]]:
    """Start agents of the test's own."""
    agents: list[RemoteAgent] = []

    def start(*flags: str) -> RemoteAgent:
        agents.append(RemoteAgent(*flags))
        return agents[-1]

    yield start
    for agent in agents:
        agent.close()


def test_a_task_is_told_from_its_name_to_its_result(start_remote: Start, remote_agent: RemoteAgent) -> None:
    host = start_remote("echo hello", remote_agent.url)
    end = host.ended()
    assert (end.status, end.data["final_response"]) == (RunStatus.COMPLETED, "hello")
    kinds = [EventType.STATUS_CHANGED, EventType.AGENT_MESSAGE, EventType.ARTIFACT_ADDED]
    assert [event.type for event in host.events] == kinds
    named = host.events[0].data
    assert (named["agent_name"], named["agent_url"]) == ("scripted", remote_agent.url)
    assert named["task_id"]
    assert named["context_id"] == host.parser.session_id


def test_a_plain_message_is_an_answer_too(start_remote: Start, remote_agent: RemoteAgent) -> None:
    end = start_remote("plain and simple", remote_agent.url).ended()
    assert (end.status, end.data["final_response"]) == (RunStatus.COMPLETED, "and simple")


def test_the_chunks_of_an_artifact_make_one_event(start_remote: Start, remote_agent: RemoteAgent) -> None:
    host = start_remote("chunks one_ two_ three", remote_agent.url)
    assert host.ended().data["final_response"] == "all of it"
    assert host.texts(EventType.ARTIFACT_ADDED) == ["one two three"]


@pytest.mark.parametrize(("word", "kind"), [("ask", EventType.INPUT_REQUIRED), ("login", EventType.AUTH_REQUIRED)])
def test_an_answer_goes_on_with_the_same_task(
    start_remote: Start, remote_agent: RemoteAgent, word: str, kind: EventType
) -> None:
    host = start_remote(f"{word} which colour?", remote_agent.url)
    assert host.wait_for(kind).data["text"] == "which colour?"
    with pytest.raises(InvalidRequestError, match="which colour"):
        host.answer()
    host.answer("blue", shade=3)
    assert host.ended().data["final_response"] == "you say blue [{'shade': 3.0}]"
    assert len(host.told(EventType.STATUS_CHANGED)) == 1


def test_a_further_message_is_a_new_task_of_the_same_context(start_remote: Start, remote_agent: RemoteAgent) -> None:
    host = start_remote("ask what?", remote_agent.url)
    host.wait_for(EventType.INPUT_REQUIRED)
    host.say(line(message="echo more"))
    host.answer("this")
    assert host.ended().data["final_response"] == "more"
    first, second = host.told(EventType.STATUS_CHANGED)
    assert first.data["context_id"] == second.data["context_id"]
    assert first.data["task_id"] != second.data["task_id"]


def test_a_context_is_taken_up_again(start_remote: Start, remote_agent: RemoteAgent) -> None:
    first = start_remote("echo one", remote_agent.url)
    first.ended()
    second = start_remote("echo two", remote_agent.url, resume=first.parser.session_id)
    assert second.ended().data["final_response"] == "two"
    assert second.events[0].data["context_id"] == second.parser.session_id == first.parser.session_id


@pytest.mark.parametrize(
    ("prompt", "status", "error"),
    [
        ("reject no thanks", RunStatus.REJECTED, "no thanks"),
        ("fail out of cheese", RunStatus.FAILED, "out of cheese"),
        ("crash executor crashed", RunStatus.FAILED, "executor crashed"),
    ],
)
def test_a_task_that_does_not_end_well_says_why(
    start_remote: Start, remote_agent: RemoteAgent, prompt: str, status: RunStatus, error: str
) -> None:
    end = start_remote(prompt, remote_agent.url).ended()
    assert (end.status, end.data["error"]) == (status, error)


def test_a_task_is_cancelled_and_the_agent_says_so(
    start_remote: Start, remote_agent: RemoteAgent, liveness: Liveness
) -> None:
    host = start_remote(f"run exec {liveness.holder('tool')}", remote_agent.url)
    liveness.expect("tool")
    host.process.send_signal(signal.SIGTERM)
    end = host.ended()
    liveness.wait_dead("tool")
    assert end.status is RunStatus.CANCELLED
    assert "acknowledged" not in end.data


def test_a_task_that_waits_for_an_answer_is_cancelled(start_remote: Start, remote_agent: RemoteAgent) -> None:
    host = start_remote("ask what?", remote_agent.url)
    host.wait_for(EventType.INPUT_REQUIRED)
    host.cancel()
    end = host.ended()
    assert end.status is RunStatus.CANCELLED
    assert "acknowledged" not in end.data


def test_an_agent_that_does_not_confirm_a_cancel_is_left_and_that_is_said(
    start_remote: Start, remote_agent: RemoteAgent
) -> None:
    host = start_remote("stubborn", remote_agent.url)
    host.wait_for(EventType.AGENT_MESSAGE)
    host.cancel()
    end = host.ended()
    assert (end.status, end.data["acknowledged"]) == (RunStatus.CANCELLED, False)


def test_an_agent_that_dies_fails_the_run_and_what_it_said_is_kept(
    start_remote: Start, start_with: Callable[..., RemoteAgent]
) -> None:
    agent = start_with()
    host = start_remote("stubborn", agent.url)
    host.wait_for(EventType.AGENT_MESSAGE)
    agent.process.kill()
    end = host.ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "api_error")
    assert host.texts(EventType.AGENT_MESSAGE) == ["will not stop"]


def test_an_agent_that_is_not_there_fails_the_run(start_remote: Start) -> None:
    end = start_remote("echo hello", "http://127.0.0.1:9").ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "api_error")


def test_a_missing_token_is_told_and_fails_the_run(start_remote: Start, start_with: Callable[..., RemoteAgent]) -> None:
    agent = start_with("--token", "secret")
    host = start_remote("echo hello", agent.url)
    end = host.ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "auth")
    assert len(host.told(EventType.AUTH_REQUIRED)) == 1
    known = start_remote("echo hello", agent.url, auth_token="secret")  # noqa: S106  of the test
    assert known.ended().data["final_response"] == "hello"


def test_an_agent_that_does_not_stream_is_asked_again_and_again(
    start_remote: Start, start_with: Callable[..., RemoteAgent], liveness: Liveness
) -> None:
    agent = start_with("--no-streaming")
    assert start_remote("echo hello", agent.url).ended().data["final_response"] == "hello"
    host = start_remote(f"run exec {liveness.holder('tool')}", agent.url)
    liveness.expect("tool")
    host.cancel()
    assert host.ended().status is RunStatus.CANCELLED
    liveness.wait_dead("tool")


def test_a_conversation_that_has_not_begun_is_cancelled_at_once(start_remote: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = start_remote("echo hello", f"http://127.0.0.1:{silent.getsockname()[1]}")
        silent.settimeout(PATIENCE_S)
        asking, _ = silent.accept()
        with asking:
            host.cancel()
            assert host.ended().status is RunStatus.CANCELLED


def test_a_server_that_is_no_agent_fails_the_run(start_remote: Start, remote_agent: RemoteAgent) -> None:
    end = start_remote("echo hello", remote_agent.url, agent_card_path="nowhere").ended()
    assert end.status is RunStatus.FAILED
    assert "404" in end.data["error"]


def test_how_much_history_is_wanted_and_whether_to_answer_at_once_reaches_the_agent(
    start_remote: Start, remote_agent: RemoteAgent
) -> None:
    asked = start_remote("history", remote_agent.url, history_length=3, blocking=False)
    assert asked.ended().data["final_response"] == "3 True"
