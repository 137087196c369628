"""The clients, with what a person has set before in a home directory of their own: a model, and no reports."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.clients.stage import CLIENT_S, Stage, write_json
from tests.patience import PATIENCE_S, wait_until

#: The variable by which ``make test-clients`` says where they are installed.
WHERE = "CLIENTS"


def binary(name: str) -> Path:
    """Return a client's program; the test is skipped if it is not there."""
    path = Path(os.environ[WHERE]) / name / "node_modules" / ".bin" / name
    if not path.exists():
        pytest.skip(f"{name} is not installed: it comes by npm")
    return path


def claude(stage: Stage) -> list[str]:
    """Prepare Claude Code; returns its command line, to which a prompt is added."""
    folder = stage.home / "claude"
    stage.environment |= {
        "ANTHROPIC_BASE_URL": stage.url,
        "ANTHROPIC_AUTH_TOKEN": "none",
        "CLAUDE_CONFIG_DIR": str(folder),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "IS_SANDBOX": "1",
        "MCP_TIMEOUT": str(int(1000 * PATIENCE_S)),
    }
    trusted = {str(stage.directory / name): {"hasTrustDialogAccepted": True} for name in ("mine", "other")}
    write_json(
        folder / ".claude.json",
        {"hasCompletedOnboarding": True, "bypassPermissionsModeAccepted": True, "theme": "dark", "projects": trusted},
    )
    write_json(folder / "settings.json", {"skipDangerousModePermissionPrompt": True})
    return [str(binary("claude")), "--dangerously-skip-permissions"]


def codex(stage: Stage) -> list[str]:
    """Prepare Codex, whose hooks are trusted by an option here, and by a person with /hooks."""
    folder = stage.home / "codex"
    folder.mkdir()
    stage.environment |= {"CODEX_HOME": str(folder), "FAKE_API_KEY": "none"}
    (folder / "config.toml").write_text(f"""\
model = "fake-model"
model_provider = "fake"
[analytics]
enabled = false
[model_providers.fake]
name = "fake"
base_url = "{stage.url}/v1"
env_key = "FAKE_API_KEY"
wire_api = "responses"
""")
    return [
        *(str(binary("codex")), "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
        *("--dangerously-bypass-hook-trust", "--disable", "plugins"),
    ]


def gemini(stage: Stage) -> list[str]:
    """Prepare Gemini CLI."""
    stage.environment |= {"GEMINI_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": stage.url}
    write_json(
        stage.home / ".gemini" / "settings.json",
        {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "tools": {"useRipgrep": False},  # it would be downloaded
        },
    )
    return [str(binary("gemini")), "-m", "gemini-2.5-flash", "--yolo", "--skip-trust", "-p"]


def opencode(stage: Stage) -> list[str]:
    """Prepare opencode as a server, which its terminal is a client of; ``opencode run`` ends with its first turn."""
    quiet = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
    stage.environment |= {f"OPENCODE_DISABLE_{what}": "1" for what in quiet}
    options = {"baseURL": f"{stage.url}/v1", "apiKey": "none"}
    fake = {"npm": "@ai-sdk/openai-compatible", "name": "fake", "options": options}
    provider = {"fake": fake | {"models": {"fake-model": {"name": "fake"}}}}
    write_json(
        stage.home / ".config" / "opencode" / "opencode.json",
        {"model": "fake/fake-model", "provider": provider, "permission": "allow"},
    )
    return [str(binary("opencode")), "serve", "--hostname", "127.0.0.1", "--port", "0"]


class OpenCode:
    """A process of opencode in a project, with one conversation."""

    def __init__(self, stage: Stage, argv: list[str], project: str) -> None:
        """Start it, and wait until it listens."""
        stage.run(argv, project)
        out = stage.directory / f"{project}.out"
        wait_until(lambda: "listening on http" in out.read_text(), "opencode listens", CLIENT_S)
        self._url = out.read_text().partition("listening on ")[2].split()[0]
        self._id = self._post("/session", {})["id"]

    def say(self, text: str) -> None:
        """Send a prompt; does not wait for the answer."""
        self._post(f"/session/{self._id}/prompt_async", {"parts": [{"type": "text", "text": text}]})

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)  # noqa: S310  loopback
        with urllib.request.urlopen(request, timeout=CLIENT_S) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")
