"""The parsers are total: whatever is printed becomes events, and the state can be written down at every line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.agents.adapters.base import Event, Parser
from mcp_background_job.agents.adapters.lines import LineParser
from mcp_background_job.agents.adapters.table import ADAPTERS, adapter_named
from mcp_background_job.core.run import EventType, RunStatus
from tests.agents.printed import LINES

OF_LINES = ["codex", "claude_code", "gemini", "antigravity", "opencode"]


def _events(parser: Parser, lines: list[bytes]) -> list[Event]:
    return [event for line in lines for event in parser.feed(line)]


@pytest.mark.parametrize("name", ADAPTERS)
@given(lines=LINES, exit_code=st.none() | st.integers(0, 255))
def test_whatever_is_printed_becomes_events_that_can_be_written_down(
    name: str, lines: list[bytes], exit_code: int | None
) -> None:
    parser = adapter_named(name).parser()
    events = _events(parser, lines) + parser.close(exit_code)
    for event in events:
        assert isinstance(event.type, EventType)
        json.dumps(event.data).encode()
        json.dumps(event.data, ensure_ascii=False).encode()
    assert parser.end is None or parser.end.status in (RunStatus.COMPLETED, RunStatus.FAILED)
    json.dumps(parser.end and parser.end.data)
    assert parser.session_id is None or isinstance(parser.session_id, str)


@pytest.mark.parametrize("name", ADAPTERS)
@given(lines=LINES, exit_code=st.none() | st.integers(0, 255))
def test_a_parser_that_is_taken_up_at_every_line_tells_what_one_pass_tells(
    name: str, lines: list[bytes], exit_code: int | None
) -> None:
    adapter = adapter_named(name)
    whole, parser = adapter.parser(), adapter.parser()
    events: list[Event] = []
    for line in lines:
        events += parser.feed(line)
        parser = adapter.parser(json.loads(json.dumps(parser.dump())))
    events += parser.close(exit_code)
    assert events == _events(whole, lines) + whole.close(exit_code)
    assert (parser.session_id, parser.end, parser.dump()) == (whole.session_id, whole.end, whole.dump())


BAD_LINES = {
    "no JSON": b"Reading additional input from stdin...",
    "a JSON text": b'"turn.completed"',
    "a list": b'[{"type": "turn.completed"}]',
    "no type": b'{"usage": {}}',
    "a type that is no text": b'{"type": ["error"]}',
    "cut short": b'{"type": "turn.completed", "usage"',
    "nested deeper than can be written again": b'{"type": "error", "message": '
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}",
    "a number longer than can be written again": b'{"type": "error", "message": ' + b"1" * 10_000 + b"}",
    "not a number": b'{"type": "error", "message": NaN}',
    "a null byte": b"\x00",
    "many megabytes": b"x" * 5_000_000,
}


@pytest.mark.parametrize("name", OF_LINES)
@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_told_shortened_with_its_length(name: str, line: bytes) -> None:
    (event,) = adapter_named(name).parser().feed(line)
    assert event.type is EventType.REASONING
    assert (event.data["unparsed"], event.data["bytes"]) == (True, len(line))
    assert event.data["text"] == line.decode()[:2000]


@pytest.mark.parametrize("name", OF_LINES)
def test_a_blank_line_and_a_type_of_a_later_version_tell_nothing(name: str) -> None:
    parser = adapter_named(name).parser()
    assert isinstance(parser, LineParser)
    unknown = json.dumps({parser.type_key: "mood_changed", "mood": "good"}).encode()
    assert not _events(parser, [b"", b" \t\r", unknown])


#: A message of each agent with half an emoji, as JavaScript writes a text that it has cut.
HALVED = {
    "codex": rb'{"type":"item.completed","item":{"id":"1","type":"agent_message","text":"cut \ud83d"}}',
    "claude_code": rb'{"type":"assistant","message":{"content":[{"type":"text","text":"cut \ud83d"}]}}',
    "gemini": rb'{"type":"message","role":"assistant","content":"cut \ud83d"}',
    "antigravity": rb'{"event":"step_update","step_update":'
    rb'{"step_type":"agent_response","state":"DONE","text_delta":"cut \ud83d"}}',
    "opencode": rb'{"type":"text","part":{"text":"cut \ud83d"}}',
}


@pytest.mark.parametrize("name", OF_LINES)
def test_half_an_emoji_does_not_cost_the_message(name: str) -> None:
    events = adapter_named(name).parser().feed(HALVED[name])
    assert [(event.type, event.data["text"]) for event in events] == [(EventType.AGENT_MESSAGE, "cut ?")]


@pytest.mark.parametrize("name", OF_LINES)
def test_bytes_that_are_no_text_do_not_cost_the_message(name: str) -> None:
    (event,) = adapter_named(name).parser().feed(HALVED[name].replace(rb"\ud83d", b"\xff"))
    assert event.data["text"] == "cut \ufffd"


@pytest.mark.parametrize("name", OF_LINES)
def test_a_long_line_is_told_whole(name: str) -> None:
    (event,) = adapter_named(name).parser().feed(HALVED[name].replace(rb"\ud83d", b"x" * 3_000_000))
    assert event.data["text"] == "cut " + "x" * 3_000_000


OPENED = {
    "claude_code": '{{"type":"assistant","message":{{"content":[{{"type":"tool_use","id":"{}","name":"Bash"}}]}}}}',
    "gemini": '{{"type":"tool_use","tool_id":"{}","tool_name":"run_shell_command"}}',
    "antigravity": '{{"event":"step_update","step_update":{{"step_index":{},"tool_name":"run_command"}}}}',
}


@pytest.mark.parametrize("name", OPENED)
def test_calls_that_never_end_do_not_grow_the_state_without_end(name: str) -> None:
    parser = adapter_named(name).parser()
    assert isinstance(parser, LineParser)
    for number in range(3000):
        parser.feed(OPENED[name].format(number).encode())
    assert list(parser.calls) == [str(number) for number in range(2000, 3000)]
