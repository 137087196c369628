"""What the parsers make of what real agents printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_background_job.agents.adapters.table import adapter_named
from mcp_background_job.core.run import EventType, RunStatus
from tests.agents.recordings import AGENTS, FOLDER, RECORDINGS, adapter_of, agent_of, expected, lines_of, told

#: How the turn ended by the agent's own word, and why. Recordings that are not named here hold no such word: the agent
#: was killed, or gave up when it was refused a permission.
ENDS: dict[str, tuple[RunStatus, str | None]] = {
    **dict.fromkeys((f"claude/{name}" for name in ("hi", "tool", "bg", "bidi/two_turns")), (RunStatus.COMPLETED, None)),
    "claude/bidi/permission_allow": (RunStatus.COMPLETED, None),
    "claude/bidi/permission_deny": (RunStatus.COMPLETED, None),
    "claude/http401": (RunStatus.FAILED, "auth"),
    **dict.fromkeys(
        (f"claude/{name}" for name in ("errevent", "http500", "http529", "http529_retries2")),
        (RunStatus.FAILED, "server_error"),
    ),
    "claude/drop": (RunStatus.FAILED, "api_error"),
    "claude/http400": (RunStatus.FAILED, "api_error"),
    "claude/http429": (RunStatus.FAILED, "rate_limit"),
    "claude/bidi/interrupt": (RunStatus.FAILED, "aborted_tools"),
    "claude/bidi/interrupt_hang": (RunStatus.FAILED, "aborted_streaming"),
    "claude/hang_SIGINT_pid": (RunStatus.FAILED, "aborted_streaming"),
    "claude/setsid_SIGINT_pid": (RunStatus.FAILED, "aborted_tools"),
    "claude/sleep_SIGINT_pid": (RunStatus.FAILED, "aborted_tools"),
    "claude/sleep_SIGINT_group": (RunStatus.FAILED, "aborted_tools"),
    **dict.fromkeys((f"codex/{name}" for name in ("hi", "tool", "bg", "flaky")), (RunStatus.COMPLETED, None)),
    **dict.fromkeys(
        (f"codex/{name}" for name in ("drop", "drop_retries2", "http400")), (RunStatus.FAILED, "api_error")
    ),
    "codex/errevent": (RunStatus.FAILED, "agent_error"),
    "codex/http429": (RunStatus.FAILED, "rate_limit"),
    "codex/http500": (RunStatus.FAILED, "server_error"),
    "codex/http401": (RunStatus.FAILED, "auth"),
    "gemini/hi": (RunStatus.COMPLETED, None),
    "gemini/tool": (RunStatus.COMPLETED, None),
    "gemini/http401": (RunStatus.FAILED, "auth"),
    **dict.fromkeys(
        (f"antigravity/{name}" for name in ("hi", "tool", "subagent", "denied_and_answered")),
        (RunStatus.COMPLETED, None),
    ),
    "antigravity/denied": (RunStatus.FAILED, "agent_error"),
    "antigravity/http401": (RunStatus.FAILED, "auth"),
    "antigravity/http429": (RunStatus.FAILED, "rate_limit"),
    "antigravity/http500": (RunStatus.FAILED, "server_error"),
    "antigravity/sleep_SIGINT_pid": (RunStatus.FAILED, "agent_error"),
    "opencode/hi": (RunStatus.COMPLETED, None),
    "opencode/tool": (RunStatus.COMPLETED, None),
    "opencode/http401": (RunStatus.FAILED, "auth"),
}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recording_tells_the_same_events_as_ever(recording: str) -> None:
    made = told(adapter_named(adapter_of(recording)).parser(), lines_of(recording))
    assert made == expected(agent_of(recording))[recording]


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recording_ends_as_its_agent_says(recording: str) -> None:
    parser = adapter_named(adapter_of(recording)).parser()
    told(parser, lines_of(recording))
    end = parser.end and (parser.end.status, parser.end.data.get("reason"))
    assert end == ENDS.get(recording)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_every_line_of_a_recording_is_understood_and_its_session_is_known(recording: str) -> None:
    parser = adapter_named(adapter_of(recording)).parser()
    events = [event for line in lines_of(recording) for event in parser.feed(line)]
    assert not [event for event in events if "unparsed" in event.data]
    assert parser.session_id


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_reader_that_takes_over_at_any_line_tells_the_rest_alike(recording: str) -> None:
    adapter = adapter_named(adapter_of(recording))
    lines = lines_of(recording)
    whole = told(adapter.parser(), lines)
    for taken_over in range(len(lines) + 1):
        first = adapter.parser()
        before = told(first, lines[:taken_over])
        second = adapter.parser(json.loads(json.dumps(first.dump())))
        after = told(second, lines[taken_over:])
        assert before["events"] + after["events"] == whole["events"]
        assert (after["session_id"], after["end"]) == (whole["session_id"], whole["end"])


def _all_events() -> list[tuple[str, dict[str, Any]]]:
    return [(kind, data) for agent in AGENTS for made in expected(agent).values() for kind, data in made["events"]]


def test_the_first_and_the_terminal_events_are_left_to_whoever_runs_the_agent() -> None:
    theirs = {EventType.RUN_STARTED, EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.REJECTED}
    assert not theirs & {kind for kind, _ in _all_events()}


def test_a_command_of_every_agent_is_told_with_its_line_and_its_output() -> None:
    for recording in (f"{agent}/tool" for agent in AGENTS):
        events = dict(expected(agent_of(recording))[recording]["events"])
        assert "echo hello-from-tool; exit 3" in events["command_started"]["command"]
        assert "hello-from-tool" in events["command_finished"]["output"]
        assert events["command_started"]["id"] == events["command_finished"]["id"]


def test_recordings_hold_no_path_of_a_machine() -> None:
    for path in FOLDER.glob("**/*.json*"):
        written = path.read_text()
        assert not [word for word in ("/home/", "/root", "/tmp/", "/scratch", "sk-") if word in written], path
