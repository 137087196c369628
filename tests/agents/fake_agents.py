"""Programs that speak as agents do, and have the children that agents have: real processes behind real adapters."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.life.results import Run
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.app import build_runs
from mcp_background_job.config import load_settings
from mcp_background_job.core.run import RunStatus
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.patience import PATIENCE_S, POLL_S

#: What a script of a fake agent can do beside showing that it is alive.
_SPEECH = '''
import json


def say(**message):
    """Print one line."""
    print(json.dumps(message), flush=True)


def hear():
    """Read one line; None at the end of the input."""
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def text(words):
    """As Codex."""
    say(type="item.completed", item={"id": "item_0", "type": "agent_message", "text": words})


def begin(thread="thread-1"):
    """As Codex."""
    say(type="thread.started", thread_id=thread)
    say(type="turn.started")


def finish():
    """As Codex."""
    say(type="turn.completed", usage={"input_tokens": 1})


def wait_for(words):
    """Read the stdin of Claude Code up to a message of this type."""
    while (message := hear()) is not None and message.get("type") != words:
        pass
    return message


def greet(session="session-1"):
    """As Claude Code with an open stdin."""
    hello = wait_for("control_request")
    say(type="control_response", response={"subtype": "success", "request_id": hello["request_id"], "response": {}})
    asked = wait_for("user")
    say(type="system", subtype="init", session_id=session, model="fake")
    return asked["message"]["content"][0]["text"]


def speak(words):
    """As Claude Code."""
    say(type="assistant", message={"id": "m", "content": [{"type": "text", "text": words}]})


def ask(request_id, command):
    """As Claude Code that wants to run a command; returns what it is answered."""
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}, "tool_use_id": "u1"}
    say(type="control_request", request_id=request_id, request=request)
    answer = wait_for("control_response")
    return answer and answer["response"]["response"]


def done(words):
    """As Claude Code at the end of its turn."""
    say(type="result", subtype="success", is_error=False, result=words, session_id="session-1")


'''


class Agents:
    """Makes agents of scripts, and the requests for their runs.

    Attributes:
        directory: of the test, not seen by them.
        workspace: where they work.
        liveness: tells which of their processes are alive.
    """

    def __init__(self, directory: Path, workspace: Path, liveness: Liveness) -> None:
        self.directory = directory
        self.workspace = workspace
        self.liveness = liveness

    def install(self, name: str, body: str) -> str:
        """Write a program that answers ``--version`` and otherwise runs this Python code; returns its path."""
        command = self.liveness.script(f"{name}_agent", _SPEECH + body)
        path = self.directory / name
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo 99.0.0 && exit 0\nexec {command} "$@"\n')
        path.chmod(0o755)
        return str(path)

    def codex(self, body: str, prompt: str = "do it", **values: Any) -> SpawnRequest:
        """Return the request for a run of a script that speaks as Codex does."""
        return self._request("codex", body, prompt, values)

    def claude(self, body: str, prompt: str = "do it", **values: Any) -> SpawnRequest:
        """Return the request for a run of a script that speaks as Claude Code does, and can be answered."""
        return self._request("claude_code", body, prompt, values)

    def command(self, *argv: str) -> SpawnRequest:
        """Return the request for a run of any program."""
        cwd = str(self.workspace)
        return SpawnRequest(backend="command", cwd=cwd, prompt="x", config={"command": list(argv)})

    def _request(self, backend: str, body: str, prompt: str, values: dict[str, Any]) -> SpawnRequest:
        binary = self.install(f"{backend}-{hashlib.sha256(body.encode()).hexdigest()[:8]}", body)
        asked: dict[str, Any] = {"cwd": str(self.workspace), "config": {"binary": binary}, **values}
        return SpawnRequest(backend=backend, prompt=prompt, **asked)


def runs_of(jobs: JobManager) -> RunManager:
    """Return a manager of runs on another manager of jobs, as another server would have."""
    return build_runs(jobs, load_settings())


def of(run: Run) -> Reference:
    """Return what names a run."""
    return Reference(run.record.run_id)


async def events_until(runs: RunManager, run: Run, *statuses: RunStatus) -> list[dict[str, Any]]:
    """Follow a run until it has one of these statuses, or without any until it is over; returns its events."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            polled = await runs.poll(of(run), after_seq=len(events), limit=1000, wait_s=POLL_S)
            events += polled.events
            state = polled.run.state
            if state.seq == len(events) and (state.status in statuses if statuses else state.is_over):
                return events
            assert not state.is_over or state.seq > len(events), f"over as {state.status}: {state.end}"


def types_of(events: list[Mapping[str, Any]] | list[dict[str, Any]]) -> list[str]:
    """Return the types of events."""
    return [event["type"] for event in events]


def assert_numbered(events: list[dict[str, Any]]) -> None:
    """Fail unless the events have the numbers from 1 on, and exactly the last one ends the run."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    ends = [event for event in events if is_end(event)]
    assert ends == events[-1:], f"not exactly one end: {ends}"


def is_end(event: Mapping[str, Any]) -> bool:
    """Tell whether an event ends its run."""
    return event["type"] in ("run_completed", "run_failed", "rejected") or event["data"].get("status") == "cancelled"
