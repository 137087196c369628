"""The parser of a host's lines is total, and its state can be put down and taken up at any line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.agents.adapters.hosted import HostParser
from mcp_background_job.core.run import EventType, RunStatus

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_DATA = st.dictionaries(st.sampled_from(["text", "request_id", "status", "options"]), _JSON, max_size=3)
_TOLD = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from([*EventType, "nonsense"]) | _JSON, "data": _DATA | _JSON}),
    st.fixed_dictionaries({"session_id": st.text() | _JSON}),
    st.fixed_dictionaries({"answered": st.text() | _JSON}),
    st.fixed_dictionaries({"beat": _JSON}),
    st.fixed_dictionaries(
        {"end": _JSON | st.fixed_dictionaries({"status": st.sampled_from([*RunStatus]) | _JSON, "data": _DATA})}
    ),
    _JSON,
)
_LINES = st.lists(st.binary(max_size=60) | _TOLD.map(lambda told: json.dumps(told).encode()), max_size=12)


def _line(**told: Any) -> bytes:
    return json.dumps(told).encode()


@given(_LINES)
def test_whatever_the_lines_are_events_come_out_and_never_one_that_is_not_an_agents(lines: list[bytes]) -> None:
    parser = HostParser()
    for line in lines:
        for event in parser.feed(line):
            assert event.type not in (
                EventType.RUN_STARTED,
                EventType.RUN_COMPLETED,
                EventType.RUN_FAILED,
                EventType.REJECTED,
            )
            json.dumps(event.data)
    assert parser.close(0) == []


@given(_LINES, st.integers(min_value=0, max_value=12))
def test_a_parser_taken_up_at_any_line_goes_on_as_if_nothing_had_happened(lines: list[bytes], cut: int) -> None:
    whole, first = HostParser(), HostParser()
    for line in lines[:cut]:
        first.feed(line)
    second = HostParser(json.loads(json.dumps(first.dump())))
    for line in lines[:cut]:
        whole.feed(line)
    assert [whole.feed(line) for line in lines[cut:]] == [second.feed(line) for line in lines[cut:]]
    assert (whole.dump(), whole.end, whole.session_id) == (second.dump(), second.end, second.session_id)


@pytest.mark.parametrize("line", [b"", b"  \r", _line(beat=True)])
def test_a_line_that_says_nothing_tells_nothing(line: bytes) -> None:
    assert HostParser().feed(line) == []


@pytest.mark.parametrize(
    "line",
    [
        b"Traceback (most recent call last):",
        b"[" * 100_000,
        b"\xff\xfe",
        _line(type="run_completed", data={}),
        _line(type="agent_message"),
        _line(end={"status": "running", "data": {}}),
        _line(end={"status": "completed"}),
        _line(session_id=5),
    ],
)
def test_a_line_that_means_nothing_is_told_as_such(line: bytes) -> None:
    parser = HostParser()
    (event,) = parser.feed(line)
    assert (event.type, event.data["unparsed"]) == (EventType.REASONING, True)
    assert parser.end is None


def test_the_first_end_counts() -> None:
    parser = HostParser()
    parser.feed(_line(end={"status": "failed", "data": {"reason": "auth"}}))
    parser.feed(_line(end={"status": "completed", "data": {}}))
    assert parser.end
    assert (parser.end.status, parser.end.data) == (RunStatus.FAILED, {"reason": "auth"})


def test_a_question_is_open_until_it_is_answered() -> None:
    parser = HostParser()
    parser.feed(_line(type="input_required", data={"request_id": "2", "text": "may I?"}))
    parser.feed(_line(answered="1"))
    assert parser.dump()["question"] == {"request_id": "2", "text": "may I?"}
    parser.feed(_line(answered="2"))
    assert parser.dump()["question"] is None
