"""What the parsers make of what real agents printed.

These tests lead a person who adds an agent: each says in one sentence what is missing, and how to make it.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest

from mcp_background_job.agents.adapters.table import PROGRAMS, adapter_named
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


def _missing(sentence: str) -> NoReturn:
    pytest.fail(sentence, pytrace=False)


#: The command that an agent runs in its recording ``tool``: with output, and with an exit code.
_COMMAND = "echo hello-from-tool; exit 3"


@pytest.mark.parametrize("backend", PROGRAMS)
def test_every_agent_has_recordings(backend: str) -> None:
    folder = next((folder for folder, name in AGENTS.items() if name == backend), None)
    if folder is None:
        _missing(
            f'AGENTS of tests/agents/recordings.py has no row for {backend}: add "{backend}": "{backend}", '
            "which are the folder of its recordings and the name of its adapter"
        )
    if not any(agent_of(recording) == folder for recording in RECORDINGS):
        _missing(
            f"{backend} has no recording: write the lines that it prints, as they are, into "
            f"tests/agents/recordings/{folder}/hi.jsonl"
        )


def test_every_folder_of_recordings_belongs_to_an_agent() -> None:
    if strange := sorted({path.name for path in FOLDER.iterdir() if path.is_dir()} - set(AGENTS)):
        _missing(
            f"AGENTS of tests/agents/recordings.py has no row for tests/agents/recordings/{strange[0]}: add "
            f'"{strange[0]}": and the name of its adapter'
        )


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recording_tells_the_same_events_as_ever(recording: str) -> None:
    agent = agent_of(recording)
    if recording not in expected(agent):
        _missing(
            f"tests/agents/recordings/{agent}.expected.json does not have {recording}: `python -m "
            "tests.agents.recordings` writes it; check that it holds what the agent did, then commit it"
        )
    made = told(adapter_named(adapter_of(recording)).parser(), lines_of(recording))
    assert made == expected(agent)[recording]


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recording_ends_as_its_agent_says(recording: str) -> None:
    parser = adapter_named(adapter_of(recording)).parser()
    told(parser, lines_of(recording))
    if parser.end and recording not in ENDS:
        reason = parser.end.data.get("reason")
        row = f'"{recording}": (RunStatus.{parser.end.status.name}, {reason and json.dumps(reason)})'
        _missing(f"ENDS of tests/agents/test_recordings.py has no row for {recording}: if its turn ended so, add {row}")
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


@pytest.mark.parametrize("agent", AGENTS)
def test_a_command_of_every_agent_is_told_with_its_line_and_its_output(agent: str) -> None:
    made = expected(agent)
    runs_commands = any(kind.startswith("command_") for told in made.values() for kind, _ in told["events"])
    events = dict(made.get(f"{agent}/tool", {"events": []})["events"])
    if not runs_commands and f"{agent}/tool" not in RECORDINGS:
        return  # it has no tool that runs commands
    if _COMMAND not in events.get("command_started", {}).get("command", "") or "command_finished" not in events:
        _missing(
            f"{agent} runs commands, and tests/agents/recordings/{agent}/tool.jsonl does not tell of `{_COMMAND}`: "
            "record a run there in which the agent was asked to run exactly that, then `python -m "
            "tests.agents.recordings` writes what is expected of it"
        )
    assert "hello-from-tool" in events["command_finished"]["output"]
    assert events["command_started"]["id"] == events["command_finished"]["id"]


def test_recordings_hold_no_path_of_a_machine() -> None:
    for path in FOLDER.glob("**/*.json*"):
        written = path.read_text()
        assert not [word for word in ("/home/", "/root", "/tmp/", "/scratch", "sk-") if word in written], path
