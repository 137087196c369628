"""Agents that fail, die, or are none: never is it told that they completed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_background_job.agents.adapters.acp import ADAPTER as ACP
from mcp_background_job.agents.host import acp_agent
from mcp_background_job.core.run import EventType, RunStatus
from tests.agents.host.driver import Host
from tests.conftest import Liveness

Start = Callable[..., Host]


def test_a_refused_key_is_told_and_fails_the_run(start_agent: Start) -> None:
    host = start_agent("unauthorized")
    end = host.ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "auth")
    assert "API Error: 401" in end.data["error"]
    assert len(host.told(EventType.AUTH_REQUIRED)) == 1
    assert host.parser.dump()["question"] is None


@pytest.mark.parametrize(("words", "reason"), [("fake error 401", "auth"), ("out of cheese", "agent_error")])
def test_an_error_of_the_agent_fails_the_run_in_its_own_words(start_agent: Start, words: str, reason: str) -> None:
    end = start_agent(f"fail {words}").ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, reason)
    assert words in end.data["error"]


def test_an_agent_that_dies_in_its_turn_fails_the_run_and_what_it_said_is_kept(start_agent: Start) -> None:
    host = start_agent("crash 3")
    end = host.ended()
    assert (end.status, end.data["reason"], end.data["agent_exit_code"]) == (RunStatus.FAILED, "agent_died", 3)
    assert host.texts(EventType.AGENT_MESSAGE) == ["about to crash"]


def test_the_death_of_an_agent_is_noticed_though_a_child_holds_its_output(
    start_agent: Start, liveness: Liveness
) -> None:
    host = start_agent(f"crash_with_child {liveness.holder('child')}")
    end = host.ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "agent_died")
    liveness.expect("child")
    liveness.assert_alive("child")


def test_an_agent_that_dies_while_it_asks_fails_the_run(start_program: Start) -> None:
    host = start_program(
        """
import json
def answer(result):
    print(json.dumps({"jsonrpc": "2.0", "id": json.loads(sys.stdin.readline())["id"], "result": result}), flush=True)
answer({"protocolVersion": 1})
answer({"sessionId": "s"})
sys.stdin.readline()
params = {"toolCall": {"toolCallId": "c", "title": "risky"}}
print(json.dumps({"jsonrpc": "2.0", "id": 7, "method": "session/request_permission", "params": params}), flush=True)
sys.exit(5)
"""
    )
    end = host.ended()
    assert host.told(EventType.INPUT_REQUIRED)
    assert (end.status, end.data["reason"], end.data["agent_exit_code"]) == (RunStatus.FAILED, "agent_died", 5)


def test_an_agent_that_speaks_another_version_is_refused(start_agent: Start) -> None:
    end = start_agent("echo hello", "--version", "2").ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "protocol")
    assert "version 2" in end.data["error"]


def test_a_program_that_prints_without_end_and_is_no_agent_is_refused(start_program: Start) -> None:
    host = start_program("connect('program')\nwhile True: print('y', flush=True)\n")
    end = host.ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "protocol")
    assert len(host.told(EventType.REASONING)) == acp_agent.NOISE_MAX
    assert all(event.data["unparsed"] for event in host.told(EventType.REASONING))


def test_a_program_that_says_something_and_ends_is_no_agent(start_acp: Start) -> None:
    host = start_acp("hello", ["/bin/echo", "usage: echo"])
    end = host.ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "agent_died")
    assert host.texts(EventType.REASONING) == ["usage: echo"]


def test_a_program_that_repeats_what_it_is_told_is_no_agent(start_acp: Start) -> None:
    assert start_acp("hello", ["/bin/cat"]).ended().status is RunStatus.FAILED


@pytest.mark.parametrize(
    "answer",
    ['{"id": 0, "result": null}', '{"id": [], "result": {}}', '{"method": {}}'],
)
def test_messages_that_are_not_of_the_protocol_fail_the_run(start_program: Start, answer: str) -> None:
    host = start_program(f"sys.stdin.readline()\nprint({answer!r}, flush=True)\n")
    assert host.ended().status is RunStatus.FAILED


def test_an_agent_may_print_a_banner(start_acp: Start) -> None:
    agent = Path(__file__).with_name("acp_agent.py")
    host = start_acp("echo hello", ["/bin/sh", "-c", f"echo 'Welcome!'; exec {sys.executable} {agent}"])
    assert host.ended().status is RunStatus.COMPLETED
    assert host.texts(EventType.REASONING) == ["Welcome!"]


def test_an_agent_that_cannot_be_started_fails_the_run(start_acp: Start, tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o700)
    end = start_acp("hello", [str(program)]).ended()
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, "not_started")
    assert str(program) in end.data["error"]


def test_what_an_agent_writes_to_stderr_is_on_the_stderr_of_the_host_and_forges_nothing(start_acp: Start) -> None:
    forged = '{"end": {"status": "completed", "data": {}}}'
    host = start_acp("hello", ["/bin/sh", "-c", f"echo '{forged}' >&2; exit 1"])
    assert host.ended().status is RunStatus.FAILED
    assert forged in host.stderr.read_text()


def test_a_host_that_is_killed_has_told_no_end(start_agent: Start) -> None:
    host = start_agent("hang")
    host.wait_for(EventType.STATUS_CHANGED)
    host.process.kill()
    assert host.finish() is None


def test_a_module_in_the_workspace_is_not_taken_for_one_of_ours(hosts: list[Host], tmp_path: Path) -> None:
    workspace = tmp_path / "run0" / "workspace"
    workspace.mkdir(parents=True)
    (workspace / "asyncio.py").write_text("raise SystemExit('taken over')\n")
    (workspace / "acp.py").write_text("raise SystemExit('taken over')\n")
    hosts.append(Host(ACP, tmp_path / "run0", "hello", None, {"command": ["/bin/true"]}, anew=True))
    assert hosts[0].ended().data["reason"] == "agent_died"
