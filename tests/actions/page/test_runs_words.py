"""What events, questions and use of runs come to on a page."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_background_job.actions.page.runs.entries import changed_by, entry_of, worded
from mcp_background_job.actions.page.runs.question import question_of
from mcp_background_job.actions.page.runs.used import used
from mcp_background_job.agents.events.cutting import CUT_MARK
from mcp_background_job.core.run import EventType
from mcp_background_job.core.tree import as_tree


def _entry(kind: str, **data: Any) -> dict[str, Any] | None:
    told = entry_of({"seq": 7, "ts": "2026-01-01T00:00:00.000Z", "type": kind, "data": data})
    return told and {key: value for key, value in told.items() if key not in ("seq", "at") and value}


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        ("agent_message", {"text": "hi"}, {"kind": "spoken", "text": "hi"}),
        (
            "message_added",
            {"role": "user", "text": "not that", "data": {"option_id": "reject_once", "request_id": "b14c"}},
            {"kind": "told", "text": "reject once\nnot that"},
        ),
        ("message_added", {"data": {"method_id": "api-key"}}, {"kind": "told", "text": "api-key"}),
        ("message_added", {"data": {"answers": {"Which?": "red"}}}, {"kind": "told", "text": "Which?: red"}),
        ("message_added", {"data": {"option_id": "a", "b": 1}}, {"kind": "told", "text": "option_id: a\nb: 1"}),
        ("message_added", {"text": "go on"}, {"kind": "told", "text": "go on"}),
        ("reasoning", {"text": "hm"}, {"kind": "thought", "text": "hm"}),
        ("reasoning", {"text": "again", "warning": True}, {"kind": "warned", "text": "again"}),
        ("run_started", {"cwd": "/w"}, None),
        ("status_changed", {"status": "running"}, None),
        (
            "status_changed",
            {"status": "cancelled", "reason": "cancelled", "by": "Codex"},
            {"kind": "end", "status": "cancelled", "text": "cancelled by Codex"},
        ),
        (
            "command_finished",
            {"id": "c", "command": "make", "status": "completed", "exit_code": 2, "output": "no"},
            {"kind": "call", "id": "c", "title": "make", "status": "failed", "code": 2, "output": "no"},
        ),
        (
            "tool_started",
            {"id": "t", "name": "Fetch", "input": {"url": "http://x", "depth": 2}},
            {"kind": "call", "id": "t", "title": "Fetch", "input": "url: http://x\ndepth: 2"},
        ),
        ("tool_finished", {"output": "cut" + CUT_MARK}, {"kind": "call", "title": "tool", "output": "cut\n…"}),
        (
            "todo_updated",
            {"items": [{"text": "a", "status": "pending"}, "odd"]},
            {"kind": "plan", "items": [{"text": "a", "status": "pending"}]},
        ),
        (
            "file_changed",
            {"changes": [{"path": "/a", "old_text": "x\ny\n", "new_text": "x\nz\n"}]},
            {
                "kind": "change",
                "changes": [{"path": "/a", "kind": "update", "lines": ["@@ -1,2 +1,2 @@", " x", "-y", "+z"]}],
            },
        ),
        ("auth_required", {"error": "log in"}, {"kind": "asked", "text": "log in"}),
        ("run_completed", {"status": "completed"}, {"kind": "end", "status": "completed"}),
        (
            "run_failed",
            {"status": "failed", "error": "no key", "reason": "auth", "stderr": "401"},
            {"kind": "end", "status": "failed", "text": "no key (auth)", "stderr": "401"},
        ),
    ],
)
def test_an_event_is_told(kind: str, data: dict[str, Any], told: dict[str, Any] | None) -> None:
    assert _entry(kind, **data) == told


@pytest.mark.parametrize("kind", list(EventType))
def test_events_with_data_of_any_kind_are_told_or_passed_over(kind: EventType) -> None:
    odds: list[Any] = [None, 7, [], [None], {"a": []}, "text", True]
    for odd in odds:
        keys = ("text", "id", "input", "output", "items", "changes", "command", "name", "status", "error", "exit_code")
        _entry(kind.value, **dict.fromkeys(keys, odd))


def test_an_entry_says_what_was_cut_and_kept() -> None:
    refs = {"/output": {"total_bytes": 9000}, "/input": {"total_bytes": 9, "stored": False}}
    told = _entry("tool_finished", name="x", artifact_refs=refs)
    assert told
    assert told["more"] == [["/output", 9000]]


def test_a_long_diff_is_bounded() -> None:
    old, new = "\n".join(map(str, range(3000))), "\n".join(str(-n) for n in range(3000))
    told = _entry("file_changed", changes=[{"path": "/a", "old_text": old, "new_text": new}])
    assert told
    lines = told["changes"][0]["lines"]
    assert len(lines) == 401
    assert lines[-1].endswith(" more lines")


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (None, None),
        ({}, None),
        ("much", None),
        ({"input_tokens": 1200, "output_tokens": 7}, "1,200 tokens in, 7 out"),
        (
            {"input_tokens": 2, "cache_read_input_tokens": 30, "output_tokens": 5, "total_cost_usd": 0.5},
            "32 tokens in, 5 out, $0.5000",
        ),
        ({"input": 10, "output": 4, "reasoning": 1, "cost": 12.5}, "10 tokens in, 4 out, $12.50"),
        ({"totalTokens": 12345}, "12,345 tokens"),
        ({"used": 99, "size": 200, "cost": {"amount": 0.25, "currency": "EUR"}}, "99 tokens, 0.2500 EUR"),
        ({"input_tokens": "many", "cost": True}, None),
    ],
)
def test_what_was_used_is_told_in_words(usage: Any, words: str | None) -> None:
    assert used(usage) == words


def test_a_permission_has_choices_with_the_request_that_each_answers() -> None:
    options = [
        {"option_id": "y", "name": "Allow", "kind": "allow_once"},
        {"option_id": "n", "name": "Deny", "kind": "reject_once"},
    ]
    call = {"name": "Bash", "input": {"command": "rm x"}}
    data = {"request_id": "r2", "text": "may I?", "options": options, "tool_call": call}
    asked = question_of({"seq": 4, "type": "input_required", "data": data})
    assert asked
    assert asked["choices"] == [
        {"label": "Allow", "about": "", "denies": False, "data": {"option_id": "y", "request_id": "r2"}},
        {"label": "Deny", "about": "", "denies": True, "data": {"option_id": "n", "request_id": "r2"}},
    ]
    assert asked["input"] == "command: rm x"
    assert not asked["takes_text"]


def test_one_question_is_answered_by_a_choice_or_in_words() -> None:
    options = [{"label": "Red", "description": "warm"}]
    asked = question_of({"seq": 4, "data": {"questions": [{"question": "Colour?", "options": options}]}})
    assert asked
    assert asked["choices"][0]["data"] == {"answers": {"Colour?": "Red"}}
    assert asked["choices"][0]["about"] == "warm"
    assert asked["takes_text"]
    assert not asked["fields"]


def test_a_login_has_its_ways_and_a_question_without_choices_takes_words() -> None:
    login = question_of({"seq": 1, "data": {"error": "log in", "methods": [{"id": "key", "name": "By key"}]}})
    plain = question_of({"seq": 1, "data": {"kind": "question", "text": "which?"}})
    assert login
    assert login["choices"][0]["data"] == {"method_id": "key"}
    assert plain
    assert plain["takes_text"]
    assert question_of(None) is None


def test_what_a_tool_would_change_is_seen_before_it_is_allowed() -> None:
    (edit,) = changed_by({"file_path": "/a", "old_string": "1", "new_string": "2"})
    (write,) = changed_by({"file_path": "/b", "content": "new"})
    assert edit["lines"][1:] == ["-1", "+2"]
    assert (write["kind"], write["lines"][1:]) == ("write", ["+new"])
    assert changed_by({"command": "rm"}) == changed_by(None) == []
    assert worded(["a"]) == '["a"]'


def test_a_tree_keeps_its_order_and_what_has_no_parent_here_is_at_its_top() -> None:
    parents = {"c": "a", "b": None, "a": None, "d": "gone", "e": "c"}
    assert as_tree(parents, str, parents.get) == [(0, "b"), (0, "a"), (1, "c"), (2, "e"), (0, "d")]
