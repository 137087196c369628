"""Codex, Claude Code, Gemini CLI and opencode themselves, started as the adapters say and read by their parsers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_background_job.agents.adapters.base import ParsedEnd
from mcp_background_job.core.run import RunStatus
from tests.agents.fake_model.server import FakeModel
from tests.agents.real.conftest import RUN_S, Agent, Run

pytestmark = [pytest.mark.real_agents, pytest.mark.timeout(3 * RUN_S)]


def _end(run: Run) -> ParsedEnd:
    assert run.parser.end, f"it ended with exit code {run.exit_code} and no result: {run.stderr[-2000:]}"
    return run.parser.end


def _completed(run: Run) -> dict[str, Any]:
    end = _end(run)
    assert end.status is RunStatus.COMPLETED, (end, run.stderr[-2000:])
    return end.data


def test_it_says_hello_and_names_its_session(agent: Agent) -> None:
    run = agent.run("hello")
    data = _completed(run)
    assert data["final_response"] == "hello from the model"
    assert 7 in data["usage"].values()
    assert run.texts("agent_message") == ["hello from the model"]
    assert run.data("status_changed")["backend_session_id"] == run.parser.session_id
    assert not [event for event in run.events if "unparsed" in event.data]


def test_a_prompt_longer_than_an_argument_can_be_reaches_the_model(agent: Agent, model: FakeModel) -> None:
    _completed(agent.run("hello", prompt="x" * 300_000))
    assert "x" * 300_000 in json.dumps(model.asked[0].body)


def test_it_runs_a_command_with_full_access(agent: Agent) -> None:
    run = agent.run("tool", full_access=True)
    assert "hello-from-tool" in _completed(run)["final_response"]
    assert "echo hello-from-tool" in run.data("command_started")["command"]
    assert "hello-from-tool" in run.data("command_finished")["output"]
    assert run.data("command_finished")["id"] == run.data("command_started")["id"]


def test_of_itself_it_writes_nothing_outside_the_workspace(agent: Agent, model: FakeModel) -> None:
    outside = agent.workspace.parent / "outside"
    model.commands["tool"] = f"echo inside > {agent.workspace}/inside; echo outside > {outside}"
    if agent.adapter.name == "claude_code":
        # What it would have to ask for is refused where nobody is there to answer.
        run = agent.run("tool", interactive=False)
        assert run.data("command_finished")["status"] == "failed"
    elif agent.adapter.name != "codex":
        # It offers its model no tool for commands at all.
        run = agent.run("hello")
        tools = json.dumps(model.asked[0].body["tools"])
        assert '"name": "run_shell_command"' not in tools
        assert '"name": "bash"' not in tools
    else:
        # The temporary directory may be written too, and this test's own is in it.
        run = agent.run("tool", args=[*agent.config("tool")["args"], *_NO_TEMPORARY_DIRECTORY])
        assert (agent.workspace / "inside").exists(), run.data("command_finished")
    _completed(run)
    assert not outside.exists()


_NO_TEMPORARY_DIRECTORY = (
    *("-c", "sandbox_workspace_write.exclude_slash_tmp=true"),
    *("-c", "sandbox_workspace_write.exclude_tmpdir_env_var=true"),
)


@pytest.mark.parametrize("status", [401, 403])
def test_a_model_that_refuses_the_key_fails_it_with_that_reason(agent: Agent, status: int) -> None:
    end = _end(agent.run(f"http{status}"))
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "auth")
    assert str(status) in end.data["error"]


@pytest.mark.parametrize(("status", "reason"), [(429, "rate_limit"), (500, "server_error"), (404, "api_error")])
def test_a_model_that_cannot_be_asked_fails_it_for_the_reason_that_all_have(
    agent: Agent, status: int, reason: str
) -> None:
    if agent.adapter.name in {"gemini", "opencode"}:
        pytest.skip(f"{agent.adapter.name} tries again for minutes")
    end = _end(agent.run(f"http{status}"))
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, reason)


def test_a_connection_that_is_lost_and_made_again_ends_well(agent: Agent, model: FakeModel) -> None:
    run = agent.run("flaky")
    assert _completed(run)["final_response"] == "hello from the model"
    assert len(model.asked) == 2


def test_a_session_is_gone_on_with(agent: Agent, model: FakeModel) -> None:
    first = agent.run("hello", prompt="remember the number 4711")
    second = agent.run("hello", prompt="which number?", resume=first.parser.session_id)
    _completed(second)
    assert second.parser.session_id == first.parser.session_id
    assert "4711" in json.dumps(model.asked[-1].body)


def test_a_session_that_nobody_knows_is_no_success(agent: Agent) -> None:
    run = agent.run("hello", resume="00000000-0000-4000-8000-000000000000")
    assert run.exit_code != 0
    assert run.parser.end is None or run.parser.end.status is RunStatus.FAILED


def test_codex_holds_its_answer_to_a_schema(agent: Agent, model: FakeModel) -> None:
    if agent.adapter.name != "codex":
        pytest.skip("only Codex tells its model the schema as it is")
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    _completed(agent.run("hello", output_schema=schema))
    assert model.asked[0].body["text"]["format"]["schema"] == schema
