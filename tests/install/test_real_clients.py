"""The clients themselves see and reach what was installed, and accept the plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.install.clients import Machine, client
from mcp_background_job.install.plugin import table
from mcp_background_job.install.records import Records
from tests.install.conftest import Home
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.real_agents, pytest.mark.real_process]

ROOT = Path(__file__).parents[2]
SERVER = [str(Path(sys.executable).with_name("mcp-background-job"))]


def run(arguments: list[str], home: Path, cwd: Path) -> str:
    """Run a client that ``make test-agents`` has installed, and return what it prints."""
    name, *rest = arguments
    program = Path(sys.prefix, "agents", name, "node_modules", ".bin", name)
    if not program.exists():
        pytest.skip(f"{name} is not installed: make test-agents")
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "GEMINI_API_KEY": "none",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }
    done = subprocess.run(
        [program, *rest],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = tmp_path / "home"
    (place / ".gemini").mkdir(parents=True)
    # Gemini CLI starts no server in a directory that nobody has said to trust.
    (place / ".gemini" / "trustedFolders.json").write_text(json.dumps({str(tmp_path): "TRUST_FOLDER"}))
    return Home(Machine(place, {}, sys.platform), Records(tmp_path / "state"))


@pytest.mark.parametrize(
    ("name", "line", "seen"),
    [
        ("claude-code", ["claude", "mcp", "list"], "Connected"),
        ("codex", ["codex", "mcp", "list"], "enabled"),  # it lists without connecting
        ("gemini", ["gemini", "mcp", "list"], "Connected"),
        ("opencode", ["opencode", "mcp", "list"], "connected"),
    ],
)
def test_a_client_sees_and_reaches_it(home: Home, tmp_path: Path, name: Any, line: list[str], seen: str) -> None:
    home.install(client(name), command=SERVER)
    said = run(line, home.machine.home, tmp_path)
    assert "background-job" in said
    assert seen in said
    home.uninstall(client(name))
    assert "background-job" not in run(line, home.machine.home, tmp_path)


def test_claude_code_has_the_plugin_from_a_marketplace_in_a_directory(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: str) -> str:
        return run(["claude", *words], home.machine.home, tmp_path)

    # The plugin's command is found on the PATH.
    monkeypatch.setenv("PATH", f"{Path(SERVER[0]).parent}:{os.environ['PATH']}")
    said("plugin", "marketplace", "add", str(ROOT))
    said("plugin", "install", "mcp-background-job@mcp-background-job")
    assert "enabled" in said("plugin", "list")
    assert "Connected" in said("mcp", "list")
    said("plugin", "uninstall", "mcp-background-job@mcp-background-job")
    assert "background-job" not in said("mcp", "list")
    said("plugin", "marketplace", "remove", "mcp-background-job")


@pytest.mark.parametrize(
    "line",
    [
        ["claude", "plugin", "validate", "plugin"],
        ["claude", "plugin", "validate", "."],
        ["mcpb", "validate", "plugin/manifest.json"],
    ],
)
def test_their_own_validators_accept_the_plugin(line: list[str], tmp_path: Path) -> None:
    run(line, tmp_path, ROOT)


def test_a_wrong_manifest_is_not_accepted(tmp_path: Path) -> None:
    manifest = table()["plugin/manifest.json"]
    del manifest["server"]["mcp_config"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AssertionError, match="mcp_config"):
        run(["mcpb", "validate", "manifest.json"], tmp_path, tmp_path)
