"""Real agents that ``make test-agents`` has installed, in homes of their own, against a model on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.adapters.base import Adapter, Event, Launch, Parser, RunRequest
from mcp_background_job.agents.adapters.table import adapter_named
from tests.agents.fake_model.server import FakeModel
from tests.patience import scaled

#: The directory of the installed agents: beside the packages of this environment.
INSTALLED = Path(sys.prefix) / "agents"

BINARIES = {
    "codex": INSTALLED / "codex" / "node_modules" / ".bin" / "codex",
    "claude_code": INSTALLED / "claude" / "node_modules" / ".bin" / "claude",
    "gemini": INSTALLED / "gemini" / "node_modules" / ".bin" / "gemini",
    "opencode": INSTALLED / "opencode" / "node_modules" / ".bin" / "opencode",
}

#: Agents that are spoken to, and their command lines. If a model is named, Gemini CLI does not ask for one.
SPOKEN_TO = {
    "gemini": [str(BINARIES["gemini"]), "--acp", "-m", "gemini-2.5-flash"],
    "copilot": [str(INSTALLED / "copilot" / "node_modules" / ".bin" / "copilot"), "--acp", "--no-auto-update"],
}

#: Seconds for one run. Codex takes half a second. Gemini CLI takes two, and sometimes fifteen before it begins.
RUN_S = scaled(60.0)

_OPENCODE_QUIET = (
    *("OPENCODE_DISABLE_AUTOUPDATE", "OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_DISABLE_LSP_DOWNLOAD"),
    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
)

#: Claude Code refuses full access to root, unless it is told that this is a sandbox.
_CLAUDE_QUIET = (
    *("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING"),
    *("CLAUDE_CODE_MAX_RETRIES", "IS_SANDBOX"),
)

_MODELS = {"claude_code": "fake-model", "gemini": "gemini-2.5-flash", "opencode": "fake/fake-model"}


def _opencode_config(url: str) -> Any:
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "fake", "options": {"baseURL": url, "apiKey": "none"}}
    return {"provider": {"fake": provider | {"models": {"fake-model": {"name": "fake"}}}}}


_OUTPUTS = ("stdout", "stderr")

#: Without these, the agents talk with others than the model: for updates, experiments and statistics.
_CODEX_ARGS = ["--disable", "plugins", "-c", "analytics.enabled=false", "-c", "model_provider=fake"]
_GEMINI_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    "tools": {"useRipgrep": False},  # it would be downloaded
}


@dataclass
class Run:
    """A run that has ended."""

    parser: Parser
    events: list[Event]
    exit_code: int
    stderr: str

    def texts(self, kind: str) -> list[str]:
        return [event.data.get("text", "") for event in self.events if event.type == kind]

    def data(self, kind: str) -> dict[str, Any]:
        (found,) = [event.data for event in self.events if event.type == kind]
        return found


class Agent:
    """A real agent, started by the command of its adapter."""

    def __init__(self, name: str, home: Path, model: FakeModel) -> None:
        self.adapter: Adapter = adapter_named(name)
        self.binary = str(BINARIES.get(name, ""))
        self.command: list[str] = []
        self.home, self._model = home, model
        self.workspace = home / "workspace"
        self.workspace.mkdir(parents=True)
        (home / ".gemini").mkdir()
        (home / ".gemini" / "settings.json").write_text(json.dumps(_GEMINI_SETTINGS))

    def config(self, scenario: str) -> dict[str, Any]:
        """Return the ``backend_config`` that makes the agent talk with the model."""
        if self.adapter.name != "codex":
            return {"binary": self.binary, "model": _MODELS[self.adapter.name]}
        provider = f'name="fake",base_url="{self._model.url(scenario)}/v1",env_key="FAKE_API_KEY",wire_api="responses"'
        retries = "request_max_retries=0,stream_max_retries=1"
        args = [*_CODEX_ARGS, "-c", f"model_providers.fake={{{provider},{retries}}}"]
        return {"binary": self.binary, "model": "fake-model", "args": args}

    def environment(self, scenario: str) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home),
            "TMPDIR": str(self.home),
            "PATH": os.environ["PATH"],
            "FAKE_API_KEY": "none",
            "GEMINI_API_KEY": "none",
            "GOOGLE_GEMINI_BASE_URL": self._model.url(scenario),
            "OPENCODE_CONFIG_CONTENT": json.dumps(_opencode_config(f"{self._model.url(scenario)}/v1")),
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_BASE_URL": self._model.url(scenario),
            "CLAUDE_CONFIG_DIR": str(self.home),
            "COPILOT_OFFLINE": "true",
            "COPILOT_PROVIDER_BASE_URL": f"{self._model.url(scenario)}/v1",
            "COPILOT_PROVIDER_API_KEY": "none",
            "COPILOT_MODEL": "fake-model",
            **dict.fromkeys((*_OPENCODE_QUIET, *_CLAUDE_QUIET), "1"),
        }

    def run(self, scenario: str, *, resume: str | None = None, prompt: str = "say hello", **config: Any) -> Run:
        """Run the agent until it ends."""
        directory = self.home / "run"
        directory.mkdir(exist_ok=True)
        request = RunRequest(
            run_id="r1",
            cwd=str(self.workspace),
            prompt=prompt,
            directory=str(directory),
            resume=resume,
            output_schema=config.pop("output_schema", None),
            config=self.config(scenario) | config,
        )
        environment = self.environment(scenario)
        found = self.adapter.available(request.config, environment)
        assert found.path, found.reason
        launch = self.adapter.launch(request, found.path)
        for name, content in launch.files.items():
            (directory / name).write_bytes(content)
        exit_code = self._execute(launch, environment | dict(launch.env))
        parser = self.adapter.parser()
        stdout, stderr = ((self.home / name).read_bytes() for name in _OUTPUTS)
        events = [event for line in stdout.split(b"\n") for event in parser.feed(line)]
        events += parser.close(exit_code if exit_code >= 0 else None)
        return Run(parser, events, exit_code, stderr.decode(errors="replace"))

    def _execute(self, launch: Launch, environment: dict[str, str]) -> int:
        # Files, since Gemini CLI exits before a full pipe is read.
        with (self.home / _OUTPUTS[0]).open("wb") as stdout, (self.home / _OUTPUTS[1]).open("wb") as stderr:
            process = subprocess.Popen(
                launch.argv,
                cwd=self.workspace,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            try:
                process.communicate(launch.stdin, RUN_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise
        return process.returncode


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with FakeModel() as model:
        yield model


@pytest.fixture(params=BINARIES)
def agent(request: pytest.FixtureRequest, tmp_path: Path, model: FakeModel) -> Agent:
    name: str = request.param
    if not BINARIES[name].exists():
        pytest.skip(f"{name} is not installed for tests; make test-agents installs it")
    return Agent(name, tmp_path, model)
