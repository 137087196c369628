"""Through the tools of a real server, over its pipes: why agents failed, and messages between them over its death."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.run import TERMINAL
from tests.agents.host.conftest import AGENT, RemoteAgent
from tests.patience import WAIT_S, wait_until
from tests.survival.support import Server

pytestmark = pytest.mark.real_process


def _nobody_listens() -> str:
    with socket.socket() as once:
        once.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{once.getsockname()[1]}"


@pytest.mark.usefixtures("state_dir")
def test_why_an_agent_failed_is_the_same_word_over_either_protocol(remote_agent: RemoteAgent, workspace: Path) -> None:
    acp = ("acp", {"command": [sys.executable, str(AGENT)]})
    wanted: list[tuple[str, dict[str, Any], str, str]] = [
        (*acp, "fail last status: 429, try again later", "rate_limit"),
        (*acp, "fail API Error: 529 Overloaded", "server_error"),
        ("remote_a2a", {"agent_url": remote_agent.url}, "fail API Error: 401 invalid x-api-key", "auth"),
        ("remote_a2a", {"agent_url": _nobody_listens()}, "echo hello", "api_error"),
    ]
    with Server() as server:
        runs = [
            server.call("spawn_run", backend=backend, cwd=str(workspace), prompt=prompt, backend_config=config)[
                "run_id"
            ]
            for backend, config, prompt, _ in wanted
        ]
        ended = [_at_its_end(server, run_id) for run_id in runs]

    assert [run["status"] for run in ended] == ["failed"] * len(wanted)
    assert [run["reason"] for run in ended] == [reason for _, _, _, reason in wanted]
    for run, (_, _, prompt, _) in zip(ended, wanted, strict=True):
        assert prompt.removeprefix("fail ") in run["error"] or prompt.startswith("echo")


def _at_its_end(server: Server, run_id: str) -> dict[str, Any]:
    def is_over() -> bool:
        # A missing login is a question before it is an end.
        server.call("wait_for_job", job_id=run_id, wait_s=WAIT_S)
        return server.call("get_run", run_id=run_id)["status"] in TERMINAL

    wait_until(is_over, f"the end of {run_id}")
    return server.call("get_run", run_id=run_id)


def _message(number: int) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "text": str(number)}]}


def _numbers(fetched: dict[str, Any]) -> list[int]:
    return [int(message["body"]["parts"][0]["text"]) for message in fetched["messages"]]


@pytest.mark.usefixtures("state_dir")
def test_no_message_is_lost_or_told_twice_when_a_server_is_killed_in_the_middle_of_a_talk(workspace: Path) -> None:
    settings = {"MCP_BG_TOOLSETS": "jobs,runs,mailbox"}
    with Server(**settings) as second:
        with Server(**settings) as first:
            config = {"command": ["true"]}
            bob: dict[str, Any] = {"backend": "command", "cwd": str(workspace), "backend_config": config}
            first.call("spawn_run", **bob, prompt="x", nickname="bob")
            heard = _numbers(first.call("fetch_agent_messages", agent_name="bob"))
            # One waits for messages, and others come and are sent, when it is killed.
            first.send_call("fetch_agent_messages", agent_name="bob", wait_ms=30_000)
            sent = {
                first.send_call("send_agent_message", to_agent_name="bob", message=_message(number)): number
                for number in range(20)
            }
            answers = first.kill_and_read()
        taken = [_numbers(answer["structuredContent"]) for call, answer in answers.items() if call not in sent]
        heard += [number for numbers in taken for number in numbers]
        second.call("send_agent_message", to_agent_name="bob", message=_message(99))
        heard += _numbers(second.call("fetch_agent_messages", agent_name="bob"))
        everything = _numbers(second.call("fetch_agent_messages", agent_name="bob", after_seq=0))

    assert len(heard) == len(set(heard)), heard
    assert {number for call, number in sent.items() if call in answers} <= set(everything)
    assert heard[-1] == everything[-1] == 99
