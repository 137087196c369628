"""Real clients, against a model on loopback: the end of a job wakes the model that started it, and no other.

``make test-clients`` installs them; without that these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_S, wait_until

pytestmark = [pytest.mark.real_process, pytest.mark.real_clients]

CLIENTS = Path(sys.prefix) / "clients"
CLAUDE = CLIENTS / "claude" / "node_modules" / ".bin" / "claude"
CODEX = CLIENTS / "codex" / "codex_cli_bin" / "bin" / "codex"
OURS = Path(sys.prefix) / "bin" / "mcp-background-job"

#: So long the job takes, during which no request may be made.
JOB_S = 20

MODEL = Path(__file__).parent / "model.py"

#: Beside the job: a client starts, and its model answers.
CLIENT_S = 3 * PATIENCE_S


class Stage:
    """Two projects, a model, and what both clients share."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ended = directory / "ended"
        command = f"sleep {JOB_S}; touch {self.ended}; exit 3"
        self._model = subprocess.Popen([sys.executable, str(MODEL), str(directory), command])
        wait_until((directory / "port").exists, "the model listens")
        self.url = f"http://127.0.0.1:{(directory / 'port').read_text()}"
        for name in ("mine", "other", "home"):
            (directory / name).mkdir()
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(directory / "home"),
            "MCP_BG_STATE_DIR": str(directory / "state"),
        }

    def run(self, argv: list[str], project: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            cwd=self.directory / project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def requests(self) -> list[dict[str, Any]]:
        path = self.directory / "requests.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        self._model.kill()
        self._model.wait()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def claude(stage: Stage, prompt: str) -> list[str]:
    stage.environment |= {
        "ANTHROPIC_BASE_URL": stage.url,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CONFIG_DIR": str(stage.directory / "home" / "claude"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "IS_SANDBOX": "1",
    }
    hook = {"type": "command", "command": f"{OURS} hook stop --client claude-code", "timeout": 3600}
    state = {"MCP_BG_STATE_DIR": stage.environment["MCP_BG_STATE_DIR"]}
    servers = {"mcpServers": {"bg": {"command": str(OURS), "env": state}}}
    return [
        *(str(CLAUDE), "-p", "--dangerously-skip-permissions"),
        *("--settings", json.dumps({"hooks": {"Stop": [{"hooks": [hook]}]}})),
        *("--mcp-config", json.dumps(servers), "--", prompt),
    ]


def codex(stage: Stage, prompt: str) -> list[str]:
    home = stage.directory / "home" / "codex"
    home.mkdir(exist_ok=True)
    stage.environment |= {"CODEX_HOME": str(home), "FAKE_API_KEY": "dummy"}
    (home / "config.toml").write_text(f"""
model = "fake-model"
model_provider = "fake"
[analytics]
enabled = false
[model_providers.fake]
name = "fake"
base_url = "{stage.url}/v1"
env_key = "FAKE_API_KEY"
wire_api = "responses"
[mcp_servers.bg]
command = "{OURS}"
env = {{ MCP_BG_STATE_DIR = "{stage.environment["MCP_BG_STATE_DIR"]}" }}
required = true
[[hooks.Stop]]
[[hooks.Stop.hooks]]
type = "command"
command = "{OURS} hook stop --client codex"
timeout = 3600
""")
    return [
        *(str(CODEX), "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
        *("--dangerously-bypass-hook-trust", "--disable", "plugins", prompt),
    ]


@pytest.mark.parametrize(
    ("program", "argv"),
    [
        pytest.param(CLAUDE, claude, id="claude-code"),
        pytest.param(CODEX, codex, id="codex"),
    ],
)
def test_the_end_of_a_job_wakes_its_own_conversation_and_no_request_is_made_meanwhile(
    stage: Stage, program: Path, argv: Any
) -> None:
    if not program.exists():
        pytest.skip(f"make test-clients installs {program.name}")
    mine = stage.run(argv(stage, "start-the-job"), "mine")
    wait_until(lambda: len(stage.requests()) == 2, "the job is started and the turn is over", CLIENT_S)
    other = stage.run(argv(stage, "say hello"), "other")
    assert other.wait(CLIENT_S) == 0
    assert not stage.ended.exists()
    assert mine.wait(CLIENT_S) == 0

    started, turn, hello, woken = stage.requests()
    assert started["starts"]
    assert "say hello" in hello["said"]
    assert "`train` failed, exit 3" in woken["said"]
    ended_at = stage.ended.stat().st_mtime
    assert turn["at"] < ended_at <= woken["at"]
    print(f"woken {woken['at'] - ended_at:.2f} s after the end")  # noqa: T201  the figure is why this is run
