"""Full access is known as that by whatever gives it: the option, an argument of the agent's own, a mode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents import report
from mcp_background_job.agents.adapters.table import ADAPTERS, adapter_named
from mcp_background_job.agents.runs import RunManager, has_full_access
from mcp_background_job.errors import InvalidRequestError
from tests.agents.fake_agents import Agents, events_until, of
from tests.agents.requests import request

#: Arguments that give it, by backend.
GIVING = {
    "codex": [
        ["--dangerously-bypass-approvals-and-sandbox"],
        ["--yolo"],
        ["-s", "danger-full-access"],
        ["-sdanger-full-access"],
        ["--sandbox=danger-full-access"],
        ["--model=x", "--sandbox", "danger-full-access"],
        ["-c", "sandbox_mode=danger-full-access"],
        ["-c", 'sandbox_mode = "danger-full-access"'],
        ["-csandbox_mode='danger-full-access'"],
        ["--config=profiles.mine.sandbox_mode=danger-full-access"],
        ["--config", 'default_permissions=":danger-no-sandbox"'],
    ],
    "claude_code": [
        ["--dangerously-skip-permissions"],
        ["--permission-mode", "bypassPermissions"],
        ["--permission-mode=bypassPermissions"],
        ["--settings", '{"permissions":\n{"defaultMode": "bypassPermissions"}}'],
    ],
    "gemini": [["--yolo"], ["-y"], ["-dy"], ["--approval-mode", "yolo"], ["--approvalMode=yolo"], ["--yolo=true"]],
    "antigravity": [["--dangerously-skip-permissions"], ["-dangerously-skip-permissions"]],
}

#: Arguments that do not.
HARMLESS = {
    "codex": [
        ["--sandbox", "read-only"],
        ["-c", "sandbox_mode=workspace-write"],
        ["-c", 'developer_instructions="never use danger-full-access"'],
        ["--dangerously-bypass-hook-trust"],
    ],
    "claude_code": [
        ["--permission-mode", "plan"],
        ["--append-system-prompt", "no --dangerously-skip-permissions here"],
    ],
    "gemini": [["--yolo=false"], ["--approval-mode=plan"], ["--sandbox"], ["-d"]],
    "antigravity": [["--mode=plan"]],
    "opencode": [["--agent=plan"], ["--auto"]],
}

#: The same for agents over ACP: what is in ``backend_config``.
SPOKEN_TO: list[dict[str, Any]] = [
    {"command": ["gemini", "--acp", "--yolo"]},
    {"command": ["npx", "-y", "@google/gemini-cli", "--acp", "--approval-mode=yolo"]},
    {"command": ["/opt/codex-acp", "-c", 'sandbox_mode="danger-full-access"']},
    {"command": ["copilot", "--acp", "--allow-all"]},
    {"command": ["cursor-agent", "acp", "--force"]},
    {"command": ["sh", "-c", "exec gemini --acp -y"]},
    {"command": ["codex-acp"], "mode": "agent-full-access"},
    {"command": ["gemini", "--acp"], "mode": "yolo"},
    {"command": ["claude-agent-acp"], "mode": "bypassPermissions"},
    {"command": ["copilot", "--acp"], "mode": "https://agentclientprotocol.com/protocol/session-modes#autopilot"},
]
HARMLESS_SPOKEN_TO: list[dict[str, Any]] = [
    {"command": ["npx", "-y", "@google/gemini-cli", "--acp"]},
    {"command": ["codex-acp"], "mode": "read-only"},
    {"command": ["mine", "--yolo"]},
    {"command": ["copilot", "--acp"], "mode": "https://agentclientprotocol.com/protocol/session-modes#plan"},
]

_CONTRADICTS = r"full_access is false, and .* gives full access: leave one"

_GIVEN = [(name, {"args": args}) for name, lists in GIVING.items() for args in lists]
_NOT_GIVEN = [(name, {"args": args}) for name, lists in HARMLESS.items() for args in lists]


@pytest.mark.parametrize(("name", "config"), [*_GIVEN, *(("acp", config) for config in SPOKEN_TO)])
def test_what_gives_full_access_is_known_and_contradicts_a_no(name: str, config: dict[str, Any]) -> None:
    adapter = adapter_named(name)
    assert adapter.full_access(config)
    assert adapter.full_access(config | {"full_access": True})
    with pytest.raises(InvalidRequestError, match=_CONTRADICTS):
        adapter.full_access(config | {"full_access": False})
    with pytest.raises(InvalidRequestError, match=_CONTRADICTS):
        adapter.launch(request(**config, full_access=False), "/bin/agent")


@pytest.mark.parametrize(("name", "config"), [*_NOT_GIVEN, *(("acp", config) for config in HARMLESS_SPOKEN_TO)])
def test_what_does_not_give_it_is_not_taken_for_that(name: str, config: dict[str, Any]) -> None:
    adapter = adapter_named(name)
    assert not adapter.full_access(config)
    assert not adapter.full_access(config | {"full_access": False})
    assert adapter.full_access(config | {"full_access": True})
    adapter.launch(request(**config, full_access=False), "/bin/agent")


@pytest.mark.parametrize("name", ADAPTERS)
def test_no_agent_has_it_of_itself(name: str) -> None:
    assert not adapter_named(name).full_access({"command": ["x"]})


@pytest.mark.parametrize("name", GIVING)
@pytest.mark.parametrize("flag", [None, True])
def test_what_the_arguments_say_is_said_once(name: str, flag: Any) -> None:
    safe = " ".join(adapter_named(name).launch(request(), "/bin/agent").argv)
    full = " ".join(adapter_named(name).launch(request(full_access=True), "/bin/agent").argv)
    for args in GIVING[name]:
        line = adapter_named(name).launch(request(args=args, full_access=flag), "/bin/agent").argv
        own = [word for word in line if word not in args]
        for ours in ("permission-mode", "approval-mode", "--mode", "sandbox_mode", "dangerously"):
            assert not any(ours in word for word in own), (line, safe, full)


@pytest.mark.real_process
async def test_the_records_of_a_run_say_that_it_has_full_access(
    runs: RunManager, agents: Agents, state_dir: str
) -> None:
    asked = agents.codex("begin()\nfinish()\n")
    run = await runs.spawn(agents.codex("begin()\nfinish()\n", config={**asked.config, "args": ["--yolo"]}))
    await events_until(runs, run)
    now = await runs.get(of(run))
    assert has_full_access(now.record)
    assert report.of_run(now)["full_access"] is True
    assert json.loads(_written(state_dir, run.record.run_id))["full_access"] is True


def _written(state_dir: str, run_id: str) -> str:
    return Path(state_dir, "runs", run_id, "run.json").read_text()
