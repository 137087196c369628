"""How interactive agents are found and started, and what is refused before anything is."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.adapters import acp, remote_a2a
from mcp_background_job.agents.adapters.base import Adapter, Event, Launch, RunRequest
from mcp_background_job.agents.adapters.hosted import REQUEST_FILE, HostParser
from mcp_background_job.agents.host import lines
from mcp_background_job.core.run import EventType
from mcp_background_job.errors import InvalidRequestError

URL = "http://127.0.0.1:9"


def _launch(adapter: Adapter, config: dict[str, Any], **values: Any) -> Launch:
    request = RunRequest(run_id="r", cwd="/w", prompt="do it", directory="/run", config=config, **values)
    return adapter.launch(request, "/bin/agent")


@pytest.mark.parametrize(
    ("adapter", "kind", "config"),
    [(acp.ADAPTER, "acp", {"command": ["agent", "--acp"]}), (remote_a2a.ADAPTER, "a2a", {"agent_url": URL})],
)
def test_the_job_is_our_host_and_the_request_is_in_a_file(adapter: Adapter, kind: str, config: dict[str, Any]) -> None:
    launch = _launch(adapter, config, resume="old")
    assert launch.argv == (sys.executable, "-P", "-m", "mcp_background_job.agents.host", kind, "/run")
    assert launch.keeps_stdin
    told = json.loads(launch.files[REQUEST_FILE])
    assert (told["prompt"], told["cwd"], told["resume"]) == ("do it", "/w", "old")


def test_the_agent_is_started_by_the_path_at_which_it_was_found_and_without_full_access() -> None:
    told = json.loads(_launch(acp.ADAPTER, {"command": ["agent", "--acp"]}).files[REQUEST_FILE])
    asked = {"full_access": False, "mode": None, "model": None}
    assert told["config"] == {"command": ["/bin/agent", "--acp"], **asked}


@pytest.mark.parametrize(
    ("command", "passed", "kept"),
    [
        (["gemini", "--acp"], "GEMINI_*", "ANTHROPIC_*"),
        (["npx", "@agentclientprotocol/claude-agent-acp"], "ANTHROPIC_*", "OPENAI_*"),
        (["/opt/bin/copilot", "--acp"], "COPILOT_*", "OPENAI_*"),
        (["cursor-agent", "acp"], "CURSOR_*", "GITHUB_TOKEN"),
        (["goose", "acp"], None, "OPENAI_*"),
    ],
)
def test_no_agent_is_given_the_keys_of_another(command: list[str], passed: str | None, kept: str) -> None:
    given = _launch(acp.ADAPTER, {"command": command}).pass_env
    assert kept not in given
    assert (passed in given) if passed else given == ()


@pytest.mark.parametrize(
    ("adapter", "config", "values", "sentence"),
    [
        (acp.ADAPTER, {}, {}, "needs backend_config.command"),
        (acp.ADAPTER, {"command": []}, {}, "needs backend_config.command"),
        (acp.ADAPTER, {"command": ["/", "--acp"]}, {}, "needs backend_config.command"),
        (acp.ADAPTER, {"command": "gemini --acp"}, {}, "give a list of texts"),
        (acp.ADAPTER, {"command": ["a"], "full_access": "yes"}, {}, "give true or false"),
        (acp.ADAPTER, {"command": ["a"]}, {"output_schema": {}}, "output schema"),
        (remote_a2a.ADAPTER, {}, {}, "needs backend_config.agent_url"),
        (remote_a2a.ADAPTER, {"agent_url": "file:///etc"}, {}, "http:// or https://"),
        (remote_a2a.ADAPTER, {"agent_url": URL, "headers": "X: y"}, {}, "headers"),
        (remote_a2a.ADAPTER, {"agent_url": URL, "auth_token": 5}, {}, "auth_token"),
        (remote_a2a.ADAPTER, {"agent_url": URL, "accepted_output_modes": "text"}, {}, "accepted_output_modes"),
        (remote_a2a.ADAPTER, {"agent_url": URL}, {"output_schema": {}}, "output schema"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_started(
    adapter: Adapter, config: dict[str, Any], values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        _launch(adapter, config, **values)


def test_an_agent_is_looked_for_on_the_path_that_it_will_have(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    there = acp.ADAPTER.available({"command": ["agent"]}, {"PATH": str(tmp_path)})
    assert there.path == str(program)
    missing = acp.ADAPTER.available({"command": ["agent"]}, {"PATH": "/nowhere"})
    assert missing.path is None
    assert "install it" in missing.reason
    assert "backend_config.command" in acp.ADAPTER.available({}, {}).reason
    assert "relative" in acp.ADAPTER.available({"command": ["./agent"]}, {"PATH": str(tmp_path)}).reason


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote_a2a.ADAPTER.available({}, {}).version
    monkeypatch.setattr(sys, "path", [])  # where distributions are looked for
    missing = remote_a2a.ADAPTER.available({}, {})
    assert missing.path is None
    assert "pip install '.[a2a]'" in missing.reason


@pytest.mark.parametrize("adapter", [acp.ADAPTER, remote_a2a.ADAPTER])
def test_a_message_without_words_is_refused(adapter: Adapter) -> None:
    with pytest.raises(InvalidRequestError, match="asks nothing"):
        adapter.answer(HostParser(), " ", {})


@pytest.mark.parametrize("adapter", [acp.ADAPTER, remote_a2a.ADAPTER])
def test_what_has_ended_is_not_told_to_stop(adapter: Adapter) -> None:
    parser = HostParser()
    assert adapter.cancel_message(parser) == b'{"cancel": true}\n'
    parser.feed(b'{"end": {"status": "completed", "data": {}}}')
    assert adapter.cancel_message(parser) is None


def test_a_host_says_that_its_agent_is_at_work_when_it_was_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    output = lines.Output(stream)
    output.beat()
    assert stream.getvalue() == b""
    monkeypatch.setattr(lines, "BEAT_S", 0.0)
    output.beat()
    assert HostParser().feed(stream.getvalue().strip()) == []


def test_half_an_emoji_does_not_stop_a_host() -> None:
    stream = io.BytesIO()
    lines.Output(stream).event(Event(EventType.AGENT_MESSAGE, {"text": "\ud83d!"}))
    (event,) = HostParser().feed(stream.getvalue().strip())
    assert event.data["text"] == "?!"


@pytest.mark.parametrize("adapter", [acp.ADAPTER, remote_a2a.ADAPTER])
def test_an_answer_to_a_question_that_is_not_open_is_not_taken_for_one_to_the_open_question(adapter: Adapter) -> None:
    asked = {
        "request_id": "2",
        "text": "rm -rf x",
        "options": [{"option_id": "y", "name": "yes", "kind": "allow_once"}],
    }
    parser = HostParser()
    with pytest.raises(InvalidRequestError, match="no open request '2'; none is open"):
        adapter.answer(parser, "yes", {"request_id": "2"})
    parser.feed(json.dumps({"type": "input_required", "data": asked}).encode())

    with pytest.raises(InvalidRequestError, match="no open request '1'; the open one is '2': rm -rf x"):
        adapter.answer(parser, "yes", {"request_id": "1"})
    assert json.loads(adapter.answer(parser, "yes", {"request_id": 2}))["answer"]["request_id"] == "2"
