"""A key of ``backend_config`` that means nothing is refused: nobody must believe in a sandbox that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.adapters.by_program import ByProgram
from mcp_background_job.agents.adapters.options import refuse_unknown
from mcp_background_job.agents.adapters.table import ADAPTERS, PROGRAMS, adapter_named
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.errors import InvalidRequestError
from tests.agents.requests import request


@pytest.mark.parametrize(
    ("backend", "key", "near"),
    [
        ("codex", "fullaccess", "full_access"),
        ("codex", "fullAccess", "full_access"),
        ("gemini", "arg", "args"),
        ("claude_code", "Interactiv", "interactive"),
        ("acp", "modes", "mode"),
        ("remote_a2a", "agentUrl", "agent_url"),
        ("command", "commands", "command"),
        ("codex", "sandbox", None),
        ("opencode", "interactive", None),
        ("antigravity", "Model", "model"),
        ("codex", "x" * 10_000, None),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(backend: str, key: str, near: str | None) -> None:
    keys = adapter_named(backend).config_keys
    with pytest.raises(InvalidRequestError) as refused:
        refuse_unknown({keys[0]: "x", key: "secret"}, keys, backend)
    told = str(refused.value)
    assert ("do you mean" in told) == (near is not None)
    assert near is None or f"do you mean {near}?" in told
    assert f"{backend} does not know" in told
    assert "secret" not in told
    assert all(name in told for name in keys)
    assert len(told) < 500


@pytest.mark.parametrize("backend", ADAPTERS)
def test_all_keys_that_a_backend_knows_are_taken(backend: str) -> None:
    keys = adapter_named(backend).config_keys
    refuse_unknown(dict.fromkeys(keys), keys, backend)


#: A value of each key that is not the one which an agent has without it.
_OTHER: dict[str, Any] = {"model": "best", "full_access": True, "args": ["--more"], "interactive": False}


@pytest.mark.parametrize("backend", PROGRAMS)
def test_an_adapter_heeds_every_key_that_it_takes(backend: str) -> None:
    adapter = adapter_named(backend)
    usual = adapter.launch(request(), "/bin/agent")
    for key in set(adapter.config_keys) - {"binary"}:
        assert adapter.launch(request(**{key: _OTHER[key]}), "/bin/agent") != usual, (
            f"{backend} takes backend_config.{key} and starts its agent as without it: leave {key} out of config_keys"
        )


def test_an_adapter_that_names_no_keys_takes_only_the_one_that_needs_no_heed() -> None:
    assert ByProgram.config_keys == ("binary",)


@pytest.mark.parametrize("backend", ADAPTERS)
async def test_a_run_with_an_unknown_key_is_not_started(runs: RunManager, tmp_path: Path, backend: str) -> None:
    with pytest.raises(InvalidRequestError, match="sandbox"):
        await runs.spawn(SpawnRequest(backend=backend, cwd=str(tmp_path), prompt="x", config={"sandbox": "read-only"}))
    assert not (await runs.list()).runs


@pytest.mark.parametrize(
    ("backend", "config", "told"),
    [
        ("codex", {"binary": "/no", "model": 3}, "backend_config.model"),
        ("claude_code", {"binary": "/no", "interactive": "no"}, "backend_config.interactive"),
        ("gemini", {"binary": "/no", "args": "--yolo"}, "backend_config.args"),
        ("opencode", {"binary": "/no", "full_access": 1}, "backend_config.full_access"),
        ("antigravity", {"binary": 3}, "backend_config.binary"),
        ("acp", {"command": ["/no"], "mode": []}, "backend_config.mode"),
        ("acp", {"mode": "plan"}, "backend_config.command"),
        ("command", {"command": "/no"}, "backend_config.command"),
        ("remote_a2a", {"agent_url": "x"}, "backend_config.agent_url"),
        ("remote_a2a", {"agent_url": "http://localhost:1", "headers": {"a": 1}}, "backend_config.headers"),
    ],
)
async def test_a_wrong_value_is_told_before_a_missing_program(
    runs: RunManager, monkeypatch: pytest.MonkeyPatch, backend: str, config: dict[str, Any], told: str
) -> None:
    def looked(*_: object) -> None:
        raise AssertionError("nothing is looked for")

    monkeypatch.setattr(type(adapter_named(backend)), "available", looked)
    with pytest.raises(InvalidRequestError, match=told):
        await runs.spawn(SpawnRequest(backend=backend, cwd="/", prompt="x", config=config))
    assert not (await runs.list()).runs
