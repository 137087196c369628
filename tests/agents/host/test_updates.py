"""What agents tell is read whatever it is: rules that no recording shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.agents.host import a2a_updates, acp_content, acp_ends, acp_updates
from mcp_background_job.core.run import EventType, RunStatus

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _any_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: values | _JSON for name, values in fields.items()})


_BLOCK = _any_of(type=st.sampled_from(["text", "resource", "resource_link", "image"]), text=st.text(max_size=5))
_CONTENT = _any_of(type=st.sampled_from(["content", "diff", "terminal"]), content=_BLOCK, path=st.text(max_size=5))
_UPDATE = _any_of(
    sessionUpdate=st.sampled_from(
        ["agent_message_chunk", "tool_call", "tool_call_update", "plan", "session_info_update"]
    ),
    toolCallId=st.sampled_from(["a", "b"]),
    kind=st.sampled_from(["execute", "edit", "read", "delete"]),
    status=st.sampled_from(["pending", "in_progress", "completed", "failed"]),
    content=_BLOCK | st.lists(_CONTENT, max_size=2),
    rawInput=_any_of(command=st.text(max_size=5) | st.lists(_JSON, max_size=2)),
    rawOutput=_any_of(metadata=_any_of(exit=st.integers()), exitCode=st.integers()),
    entries=st.lists(_any_of(content=st.text()), max_size=2),
    _meta=_any_of(terminal_output_delta=_any_of(data=st.text(max_size=5))),
)


@given(st.lists(_UPDATE, max_size=8), _any_of(stopReason=st.sampled_from(["end_turn", "refusal"]), _meta=_JSON))
def test_no_update_of_an_acp_session_is_too_strange(told: list[dict[str, Any]], answer: dict[str, Any]) -> None:
    updates = acp_updates.Updates()
    events = [event for update in told for event in updates.feed(update)]
    events += [*updates.before_permission({}), *updates.flush()]
    assert json.dumps([event.data for event in events])
    assert json.dumps(acp_ends.end_of_turn(answer, updates).data)


_PARTS = st.lists(_any_of(text=st.text(max_size=5), data=_JSON, url=st.text(max_size=5)), max_size=2)
_MESSAGE = _any_of(messageId=st.sampled_from(["m", "n"]), parts=_PARTS, contextId=st.text(max_size=3))
_STATES = st.sampled_from([*a2a_updates.ENDS, *a2a_updates.QUESTIONS, "TASK_STATE_WORKING"])
_STATUS = _any_of(state=_STATES, message=_MESSAGE)
_ARTIFACT = _any_of(artifactId=st.sampled_from(["a", "b"]), parts=_PARTS)
_IDS = {"taskId": st.sampled_from(["t", "u"]), "contextId": st.text(max_size=3)}
_RESPONSE = _any_of(
    task=_any_of(id=st.sampled_from(["t", "u"]), status=_STATUS, artifacts=st.lists(_ARTIFACT, max_size=2)),
    statusUpdate=_any_of(status=_STATUS, **_IDS),
    artifactUpdate=_any_of(artifact=_ARTIFACT, append=st.booleans(), lastChunk=st.booleans(), **_IDS),
    message=_MESSAGE,
)


@given(st.lists(_RESPONSE, max_size=8))
def test_no_response_of_an_a2a_agent_is_too_strange(told: list[dict[str, Any]]) -> None:
    updates = a2a_updates.Updates()
    events = [event for response in told for event in updates.feed(response)]
    assert json.dumps([event.data for event in events])
    assert updates.is_settled == (updates.question is not None or updates.state in a2a_updates.ENDS)
    assert json.dumps(updates.end.data)


def _chunk(text: str, message_id: str | None = None, kind: str = "agent_message_chunk") -> dict[str, Any]:
    return {"sessionUpdate": kind, "content": {"type": "text", "text": text}, "messageId": message_id}


def test_messages_are_kept_apart_by_their_ids_and_thoughts_from_messages() -> None:
    updates = acp_updates.Updates()
    chunks = [_chunk("a", "1"), _chunk("b", "1"), _chunk("c", "2"), _chunk("d", "2", "agent_thought_chunk")]
    events = [event for chunk in chunks for event in updates.feed(chunk)] + updates.flush()
    assert [(event.type, event.data["text"]) for event in events] == [
        (EventType.AGENT_MESSAGE, "ab"),
        (EventType.AGENT_MESSAGE, "c"),
        (EventType.REASONING, "d"),
    ]


def test_news_of_usage_does_not_cut_a_message_in_two() -> None:
    updates = acp_updates.Updates()
    told = [_chunk("a"), {"sessionUpdate": "usage_update", "used": 3, "size": 10}, _chunk("b")]
    assert [event for update in told for event in updates.feed(update)] == []
    assert [event.data["text"] for event in updates.flush()] == ["ab"]
    assert updates.usage == {"used": 3, "size": 10}


def test_a_message_without_end_is_told_in_pieces() -> None:
    updates = acp_updates.Updates()
    piece = "x" * (acp_updates.MESSAGE_MAX // 4 + 1)
    told = [event.data["text"] for _ in range(9) for event in updates.feed(_chunk(piece))]
    assert [len(text) for text in told] == [4 * len(piece)] * 2


def _call(**fields: Any) -> dict[str, Any]:
    return {"sessionUpdate": "tool_call_update", "toolCallId": "c", "kind": "execute", **fields}


def test_what_a_command_prints_piece_by_piece_is_told_when_it_is_over() -> None:
    updates = acp_updates.Updates()

    def printing(data: str, status: str) -> dict[str, Any]:
        return _call(status=status, title="make", _meta={"terminal_output_delta": {"data": data}})

    told = [printing("one ", "in_progress"), printing("two ", "in_progress"), printing("three", "completed")]
    events = [event for update in told for event in updates.feed(update)]
    assert [event.type for event in events] == [EventType.COMMAND_STARTED, EventType.COMMAND_FINISHED]
    assert events[-1].data["output"] == "one two three"


def test_nothing_is_told_of_a_call_that_is_over() -> None:
    updates = acp_updates.Updates()
    assert len(updates.feed(_call(status="completed"))) == 2
    assert updates.feed(_call(status="completed", title="again")) == []


def test_an_edit_that_failed_has_changed_no_file() -> None:
    updates = acp_updates.Updates()
    diff = {"type": "diff", "path": "/a", "newText": "new"}
    told = updates.feed(_call(kind="edit", status="failed", content=[diff]))
    assert [event.type for event in told] == [EventType.TOOL_STARTED, EventType.TOOL_FINISHED]


@pytest.mark.parametrize(
    ("call", "changes"),
    [
        ({"content": [{"type": "diff", "path": "/a", "newText": "x"}]}, [{"kind": "add", "path": "/a"}]),
        ({"kind": "delete", "locations": [{"path": "/a"}]}, [{"kind": "delete", "path": "/a"}]),
        ({"kind": "edit", "locations": [{"path": "/a", "line": 3}]}, [{"kind": "update", "path": "/a"}]),
        ({"kind": "edit"}, []),
    ],
)
def test_what_an_edit_changes_is_found(call: dict[str, Any], changes: list[dict[str, str]]) -> None:
    found = acp_content.changes_of(call)
    assert [{key: change[key] for key in ("kind", "path")} for change in found] == changes


@pytest.mark.parametrize(
    ("stop_reason", "status", "reason"),
    [
        ("end_turn", RunStatus.COMPLETED, None),
        ("cancelled", RunStatus.CANCELLED, None),
        ("refusal", RunStatus.REJECTED, "refusal"),
        ("max_tokens", RunStatus.FAILED, "max_tokens"),
        ("max_turn_requests", RunStatus.FAILED, "max_turn_requests"),
        ("bored", RunStatus.FAILED, "protocol"),
        (None, RunStatus.FAILED, "protocol"),
        ([], RunStatus.FAILED, "protocol"),
    ],
)
def test_each_stop_reason_has_its_status(stop_reason: Any, status: RunStatus, reason: str | None) -> None:
    end = acp_ends.end_of_turn({"stopReason": stop_reason}, acp_updates.Updates())
    assert (end.status, end.data.get("reason")) == (status, reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("API Error: 403 forbidden", "auth"),
        ("usage limit reached", "rate_limit"),
        ("503 Service Unavailable", "server_error"),
        ("connection reset by peer", "api_error"),
        ("out of cheese", "agent_error"),
        ("", "agent_error"),
    ],
)
def test_a_task_that_failed_has_the_reason_that_its_words_tell(said: str, reason: str) -> None:
    updates = a2a_updates.Updates()
    message = {"messageId": "m", "parts": [{"text": said}]}
    updates.feed({"statusUpdate": {"status": {"state": "TASK_STATE_FAILED", "message": message}}})
    assert (updates.end.status, updates.end.data["reason"]) == (RunStatus.FAILED, reason)


def test_an_artifact_that_a_snapshot_repeats_is_told_once() -> None:
    updates = a2a_updates.Updates()
    artifact = {"artifactId": "a", "parts": [{"text": "result"}]}
    updates.feed({"artifactUpdate": {"taskId": "t", "artifact": artifact, "lastChunk": True}})
    task = {"id": "t", "status": {"state": "TASK_STATE_COMPLETED"}, "artifacts": [artifact]}
    assert updates.feed({"task": task}) == []
    assert updates.end.data["final_response"] == "result"


def test_an_artifact_without_end_is_told_in_pieces() -> None:
    updates = a2a_updates.Updates()
    part = {"text": "x" * (a2a_updates.ARTIFACT_MAX // 2 - 9)}
    told = [
        event.data
        for _ in range(9)
        for event in updates.feed(
            {"artifactUpdate": {"artifact": {"artifactId": "a", "parts": [part]}, "append": True}},
        )
    ]
    assert [len(data["text"]) > a2a_updates.ARTIFACT_MAX for data in told] == [True, True, True]
    assert all(data["append"] for data in told)


def test_parts_that_are_no_text_are_told_as_they_are() -> None:
    updates = a2a_updates.Updates()
    parts = [{"text": "see"}, {"data": {"n": 1}}, {"url": "http://127.0.0.1/x"}, {"raw": "AA==", "filename": "x.png"}]
    (event,) = updates.feed({"artifactUpdate": {"artifact": {"artifactId": "a", "parts": parts}, "lastChunk": True}})
    assert event.data["text"] == 'see\n{"n": 1}\n[file http://127.0.0.1/x]\n[file x.png]'
    assert event.data["parts"] == parts


def test_a_command_that_was_refused_and_of_which_its_agent_says_no_more_is_finished_with_the_turn() -> None:
    updates = acp_updates.Updates()
    call = {"toolCallId": "c1", "kind": "execute", "title": "rm", "rawInput": {"command": "rm -rf x"}}
    updates.feed({"sessionUpdate": "tool_call", "status": "pending", **call})
    updates.feed({"sessionUpdate": "tool_call", "toolCallId": "c2", "kind": "execute", "status": "pending"})
    (finished,) = updates.end_turn()
    assert finished.type is EventType.COMMAND_FINISHED, "of the second no beginning was told"
    assert (finished.data["id"], finished.data["status"]) == ("c1", "failed")
    assert updates.end_turn() == []
