"""A key of ``backend_config`` that means nothing is refused: nobody must believe in a sandbox that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.agents.adapters.options import refuse_unknown
from mcp_background_job.agents.adapters.table import ADAPTERS, adapter_named
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.errors import InvalidRequestError


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


@pytest.mark.parametrize("backend", ADAPTERS)
async def test_a_run_with_an_unknown_key_is_not_started(runs: RunManager, tmp_path: Path, backend: str) -> None:
    with pytest.raises(InvalidRequestError, match="sandbox"):
        await runs.spawn(SpawnRequest(backend=backend, cwd=str(tmp_path), prompt="x", config={"sandbox": "read-only"}))
    assert not (await runs.list()).runs
