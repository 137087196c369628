"""What `runs watch` shows of each event, and what an answer that is typed there means."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_background_job.cli.runs.transcript import Line, answer_to, lines_of

_QUESTION: dict[str, Any] = {
    "request_id": "1",
    "text": "rm -rf x",
    "options": [{"option_id": "once", "name": "Yes"}, {"option_id": "never", "name": "No"}],
}
_LOGIN: dict[str, Any] = {"error": "log in", "methods": [{"id": "browser", "name": "In the browser"}]}


def _shown(kind: str, **data: Any) -> list[str]:
    return [line.text for line in lines_of({"type": kind, "data": data})]


def test_words_are_shown_whole_and_the_rest_in_a_line_each() -> None:
    assert _shown("agent_message", text="one\n" + "x" * 500) == ["", "one", "x" * 500]
    assert _shown("command_started", command="make\n  test") == ["$ make test"]
    assert _shown("command_finished", exit_code=0, output="a\nb\n") == ["  exit 0, 2 lines"]
    assert _shown("tool_finished", name="read", output="x" * 5000) == ["* read"]
    assert _shown("tool_finished", name="read", status="failed") == ["* read failed"]
    assert _shown("reasoning", text="hm", warning=True) == ["! hm"]
    assert _shown("todo_updated", items=[{"text": "look", "status": "completed"}, {"text": "do"}]) == [
        "[x] look",
        "[ ] do",
    ]


def test_of_a_command_that_failed_the_last_lines_are_shown() -> None:
    lines = _shown("command_finished", exit_code=2, output="\n".join(str(number) for number in range(100)))
    assert lines[0] == "  exit 2, 100 lines"
    assert lines[-1] == "  | 99"
    assert len(lines) < 12


def test_a_change_is_shown_as_a_diff_of_bounded_length() -> None:
    change = {"path": "a.py", "kind": "update", "old_text": "x = 1\ny = 2\n", "new_text": "x = 1\ny = 3\n"}
    lines = list(lines_of({"type": "file_changed", "data": {"status": "completed", "changes": [change]}}))
    assert lines[0].text == "update a.py"
    assert Line("  -y = 2", "red") in lines
    assert Line("  +y = 3", "green") in lines
    new = {"path": "b", "kind": "add", "new_text": "line\n" * 1000}
    assert len(_shown("file_changed", changes=[new])) < 100
    assert _shown("file_changed", changes=[{"path": "c"}]) == ["update c"]


def test_a_question_is_shown_with_its_choices_and_an_end_with_its_reason() -> None:
    assert _shown("input_required", **_QUESTION) == ["? rm -rf x", "  1) Yes", "  2) No"]
    assert _shown("auth_required", **_LOGIN) == ["? log in", "  1) In the browser"]
    assert _shown("run_failed", status="failed", reason="rate_limit", error="429")[0] == "failed (rate_limit): 429"
    assert _shown("run_completed", final_response="said before") == ["completed"]


@pytest.mark.parametrize(
    ("question", "typed", "part"),
    [
        (_QUESTION, "2\n", {"type": "data", "data": {"option_id": "never"}}),
        (_QUESTION, "yes, do\n", {"type": "text", "text": "yes, do"}),
        (_QUESTION, "3\n", {"type": "text", "text": "3"}),
        (_LOGIN, "1", {"type": "data", "data": {"method_id": "browser"}}),
        ({"text": "how many?"}, "2", {"type": "text", "text": "2"}),
    ],
)
def test_a_number_means_the_choice_that_has_it_and_all_else_is_the_answer(
    question: dict[str, Any], typed: str, part: dict[str, Any]
) -> None:
    assert answer_to(question, typed) == {"role": "user", "parts": [part]}


@pytest.mark.parametrize("data", [{}, {"changes": [None, 1], "items": 3, "options": "x", "text": None, "output": 5}])
def test_no_event_is_too_strange(data: dict[str, Any]) -> None:
    for kind in ("run_started", "status_changed", "file_changed", "todo_updated", "input_required", "rejected", "new"):
        list(lines_of({"type": kind, "data": data}))
    for kind in ("reasoning", "command_started", "command_finished", "tool_finished", "artifact_added", "run_failed"):
        list(lines_of({"type": kind, "data": data}))
