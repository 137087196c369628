"""How agents are started: safely unless full access is asked for, and with the prompt where it fits."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from mcp_background_job.agents.adapters.options import prompt_as_argument
from mcp_background_job.agents.adapters.table import ADAPTERS, adapter_named
from mcp_background_job.errors import InvalidRequestError
from tests.agents.requests import request

#: What ``command`` needs beside.
_NEEDED: dict[str, dict[str, Any]] = {"command": {"command": ["report", "--all"]}}

#: What tells each agent that nothing is to be asked or forbidden.
FULL_ACCESS = {
    "codex": "--dangerously-bypass-approvals-and-sandbox",
    "claude_code": "--permission-mode=bypassPermissions",
    "gemini": "--approval-mode=yolo",
    "antigravity": "--dangerously-skip-permissions",
    "opencode": '{"*": "allow"}',
}

#: What holds each agent to the workspace.
SAFE = {
    "codex": 'sandbox_mode="workspace-write"',
    "claude_code": "--permission-mode=acceptEdits",
    "gemini": "--approval-mode=auto_edit",
    "antigravity": "--mode=accept-edits",
    "opencode": '"*": "deny"',
}

RESUMED = {
    "codex": ("exec resume", " s1 -"),
    "claude_code": ("--resume=s1",),
    "gemini": ("--resume=s1",),
    "antigravity": ("--conversation=s1",),
    "opencode": ("--session=s1",),
}


def _line(name: str, **config: Any) -> str:
    """Return the command line and the variables of a start."""
    launch = adapter_named(name).launch(request(**config), f"/bin/{name}")
    return " ".join([*launch.argv, *launch.env.values()])


@pytest.mark.parametrize("name", FULL_ACCESS)
def test_an_agent_is_held_to_the_workspace_unless_full_access_is_asked_for(name: str) -> None:
    for config in ({}, {"full_access": False}, {"full_access": None}):
        assert SAFE[name] in _line(name, **config)
        assert FULL_ACCESS[name] not in _line(name, **config)
    assert FULL_ACCESS[name] in _line(name, full_access=True)
    assert SAFE[name] not in _line(name, full_access=True)


@pytest.mark.parametrize("name", FULL_ACCESS)
@pytest.mark.parametrize("value", ["false", "yes", 1])
def test_full_access_is_given_for_a_plain_true_only(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="full_access"):
        _line(name, full_access=value)


@pytest.mark.parametrize("name", [*FULL_ACCESS, "command"])
def test_a_prompt_longer_than_an_argument_can_be_goes_to_stdin(name: str) -> None:
    prompt = "ünïcödé \ud800 " + "x" * 300_000
    launch = adapter_named(name).launch(request(prompt, **_NEEDED.get(name, {})), f"/bin/{name}")
    assert launch.argv[0] == f"/bin/{name}"
    assert sum(map(len, launch.argv)) < 1000
    assert launch.stdin.endswith(b"x" * 300_000) or b"x" * 300_000 in launch.stdin


def test_a_prompt_that_is_an_argument_reaches_the_agent_as_it_is() -> None:
    for prompt in ("say - hi", "ü" * 65_535, "two\nlines"):
        asked = prompt_as_argument(request(prompt), "parrot")
        said = subprocess.run(["/bin/echo", asked], capture_output=True, check=True).stdout
        assert said.decode() == f"{prompt}\n"
    assert prompt_as_argument(request("half \ud800"), "parrot") == "half ?"


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("--yolo", "the task begins with -, and parrot would take it for an option"),
        ("ü" * 65_536, "the task has 131,072 bytes, .* at most 131,071; write it to a file"),
        ("a\0b", "the task has a zero byte"),
    ],
)
def test_a_prompt_that_cannot_be_an_argument_is_refused(prompt: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        prompt_as_argument(request(prompt), "parrot")


@pytest.mark.parametrize("name", RESUMED)
def test_a_session_is_gone_on_with(name: str) -> None:
    line = " ".join(adapter_named(name).launch(request(resume="s1"), "/bin/agent").argv)
    for part in RESUMED[name]:
        assert part in line
        assert part not in _line(name)


@pytest.mark.parametrize("name", RESUMED)
@pytest.mark.parametrize("session", ["--dangerously-bypass-approvals-and-sandbox", "-c", "", " "])
def test_a_session_id_that_could_be_an_option_is_refused(name: str, session: str) -> None:
    with pytest.raises(InvalidRequestError, match="is not the id of a session"):
        adapter_named(name).launch(request(resume=session), "/bin/agent")


@pytest.mark.parametrize("name", FULL_ACCESS)
def test_a_model_and_more_arguments_are_passed_on(name: str) -> None:
    line = _line(name, model="best", args=["--one", "two words"])
    assert "--model=best" in line
    assert "--one two words" in line


@pytest.mark.parametrize("name", FULL_ACCESS)
@pytest.mark.parametrize("config", [{"model": 3}, {"model": ""}, {"args": "--one"}, {"args": [1]}])
def test_options_of_another_type_are_refused(name: str, config: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=next(iter(config))):
        _line(name, **config)


@pytest.mark.parametrize(("name", "option"), [("codex", "--output-schema"), ("antigravity", "--json-schema")])
def test_an_output_schema_is_a_file_of_the_run(name: str, option: str) -> None:
    launch = adapter_named(name).launch(request(output_schema={"type": "object"}), f"/bin/{name}")
    assert f"{option}=/runs/r1/output_schema.json" in launch.argv
    assert json.loads(launch.files["output_schema.json"]) == {"type": "object"}


def test_claude_code_is_given_an_output_schema_as_an_argument_that_fits() -> None:
    launch = adapter_named("claude_code").launch(request(output_schema={"type": "object"}), "/bin/claude")
    assert '--json-schema={"type": "object"}' in launch.argv
    with pytest.raises(InvalidRequestError, match="output_schema has 2"):
        adapter_named("claude_code").launch(request(output_schema={"title": "x" * 200_000}), "/bin/claude")


@pytest.mark.parametrize("name", ["gemini", "opencode", "command"])
def test_an_agent_that_cannot_be_held_to_a_schema_says_so(name: str) -> None:
    assert "output_schema" not in adapter_named(name).capabilities
    with pytest.raises(InvalidRequestError, match="leave output_schema out"):
        adapter_named(name).launch(request(output_schema={}, **_NEEDED.get(name, {})), "/bin/agent")


def test_claude_code_can_be_answered_unless_it_is_told_not_to_ask() -> None:
    launch = adapter_named("claude_code").launch
    asking = launch(request(), "/bin/claude")
    assert asking.keeps_stdin
    assert "--permission-prompt-tool=stdio" in asking.argv
    hello, prompt = map(json.loads, asking.stdin.splitlines())
    assert hello["request"]["subtype"] == "initialize"
    assert prompt["message"]["content"] == [{"type": "text", "text": "say hi"}]
    ways: list[dict[str, Any]] = [{"interactive": False}, {"full_access": True}]
    for config in ways:
        silent = launch(request(**config), "/bin/claude")
        assert not silent.keeps_stdin
        assert "--input-format=stream-json" not in silent.argv
        assert silent.stdin == b"say hi"
    assert launch(request(full_access=True, interactive=True), "/bin/claude").keeps_stdin


def test_a_command_is_run_as_it_is_given_with_the_prompt_on_its_stdin() -> None:
    launch = adapter_named("command").launch(request(command=["report", "--all", "-"]), "/opt/report")
    assert launch.argv == ("/opt/report", "--all", "-")
    assert launch.stdin == b"say hi"


def test_a_command_has_nothing_to_resume() -> None:
    with pytest.raises(InvalidRequestError, match="no sessions"):
        adapter_named("command").launch(request(resume="s1", command=["report"]), "/opt/report")


def test_an_unknown_backend_is_refused_with_the_names_of_those_that_there_are() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"'copilot'.*codex, claude_code, gemini, antigravity, opencode, command"
    ):
        adapter_named("copilot")


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_called_as_its_backend(name: str) -> None:
    assert adapter_named(name).name == name
    assert adapter_named(name).exit_is_result is (name == "command")
