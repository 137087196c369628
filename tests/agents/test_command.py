"""A program that is no agent: its lines are messages, and its exit code is its word."""

from __future__ import annotations

import json

import pytest

from mcp_background_job.agents.adapters.command import CommandParser
from mcp_background_job.agents.adapters.table import adapter_named
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.errors import InvalidRequestError

ADAPTER = adapter_named("command")


def test_each_line_is_a_message() -> None:
    parser = CommandParser()
    events = [event for line in (b"one", b"", b"  two\r", b"\xff") for event in parser.feed(line)]
    assert [(event.type, event.data["text"]) for event in events] == [
        (EventType.AGENT_MESSAGE, "one"),
        (EventType.AGENT_MESSAGE, "  two"),
        (EventType.AGENT_MESSAGE, "\ufffd"),
    ]


def test_exit_code_0_is_a_success_with_what_was_printed_as_the_answer() -> None:
    parser = CommandParser()
    for line in (b"one", b"", b"two"):
        parser.feed(line)
    assert parser.end is None
    parser.close(0)
    assert parser.end
    assert (parser.end.status, parser.end.data) == (RunStatus.COMPLETED, {"final_response": "one\n\ntwo"})


def test_any_other_exit_code_is_a_failure_that_names_it() -> None:
    parser = CommandParser()
    parser.feed(b"no such file")
    parser.close(2)
    assert parser.end
    assert parser.end.status is RunStatus.FAILED
    assert parser.end.data == {"error": "exit code 2", "reason": "exit", "final_response": "no such file"}


def test_an_end_by_a_signal_is_not_its_own_word() -> None:
    parser = CommandParser()
    parser.close(None)
    assert parser.end is None


def test_of_a_long_output_the_last_lines_are_the_answer() -> None:
    parser = CommandParser()
    for number in range(10_000):
        parser.feed(f"line {number}".encode())
    parser.feed(b"x" * 10_000)
    parser.close(0)
    assert parser.end
    answer = parser.end.data["final_response"].splitlines()
    assert answer[-1] == "x" * 10_000
    assert answer[0].startswith("line ")
    assert answer[-2] == "line 9999"
    assert 15_000 < len(parser.end.data["final_response"]) < 18_000
    assert len(json.dumps(parser.dump())) < 25_000
    printed = sum(len(f"line {number}\n") for number in range(10_000)) + 10_000
    assert parser.end.data["omitted_characters"] == printed - len(parser.end.data["final_response"])
    assert CommandParser(parser.dump()).end == parser.end


def test_a_line_longer_than_the_answer_can_be_is_told_whole() -> None:
    parser = CommandParser()
    (event,) = parser.feed(b"x" * 3_000_000)
    assert len(event.data["text"]) == 3_000_000
    parser.close(0)
    assert parser.end
    assert parser.end.data["omitted_characters"] == 3_000_000 - len(parser.end.data["final_response"])
    assert len(json.dumps(parser.dump())) < 25_000


@pytest.mark.parametrize("name", ["command", "codex", "gemini", "antigravity", "opencode"])
def test_what_takes_nothing_while_it_works_says_what_to_do_instead(name: str) -> None:
    adapter = adapter_named(name)
    with pytest.raises(InvalidRequestError, match="takes no input while it works; "):
        adapter.answer(adapter.parser(), "stop", {})
    assert adapter.cancel_message(adapter.parser()) is None
    assert "live_continue" not in adapter.capabilities
