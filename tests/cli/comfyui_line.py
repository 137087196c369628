from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from tests.cli.command_line import CommandLine
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator

#: The simulator in the place of a checkout of ComfyUI.
CHECKOUT = Path(__file__).parent.parent / "comfyui_simulator"

#: A render that nobody waits for to its end.
ENDLESS = (100_000, 0.05)


#: Every command of the group, those of its own groups too.
COMMANDS = [
    *("status", "submit", "job", "jobs", "errors", "cancel", "move"),
    *("batch", "batch status", "batch cancel", "batch pause", "batch resume", "batch retry-failed", "batch give-up"),
    *("sessions", "session", "session show", "session export", "session import", "new-session", "track"),
    *("upload", "download", "download-session", "clear-history", "free", "models", "nodes"),
    *("start", "stop", "restart"),
]


class ComfyUILine:
    """Runs ``comfyui …`` as a user would, on a ComfyUI on one port."""

    def __init__(self, cli: CommandLine, directory: Path, port: int) -> None:
        self.cli = cli
        self.port = port
        self._directory = directory
        cli.environment["COMFYUI_PORT"] = str(port)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return self.cli("comfyui", *arguments)

    def open(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self.cli.open("comfyui", *arguments)

    def ok(self, *arguments: str) -> str:
        return self.cli.ok("comfyui", *arguments)

    def ends(self, code: int, *arguments: str) -> tuple[str, str]:
        """Run a command that exits with this code; returns what it wrote to stdout and stderr."""
        done = self(*arguments)
        assert done.returncode == code, (arguments, done)
        return done.stdout.decode(), done.stderr.decode()

    def json(self, command: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        out, err = self.ends(code, command, *arguments, "--json")
        assert err == ""
        return cast("dict[str, Any]", json.loads(out))

    def file(self, graph: graphs.Graph) -> str:
        """Return the path of a file with a workflow."""
        path = self._directory / f"workflow-{len(list(self._directory.glob('workflow-*')))}.json"
        path.write_text(json.dumps(graph))
        return str(path)

    def submit(self, graph: graphs.Graph, *options: str) -> str:
        """Submit a workflow; returns its prompt id."""
        return self.ok("submit", self.file(graph), *options).strip()

    def submit_endless(self, *options: str) -> str:
        """Submit a render without an end, and see it run."""
        prompt_id = self.json("submit", self.file(graphs.stepped(*ENDLESS)), *options)["prompt_id"]
        out, _ = self.ends(124, "job", prompt_id, "--wait", "0.2")
        assert "in_progress" in out
        return prompt_id

    def startable(self, *flags: str) -> None:
        """Let ``comfyui start`` know how."""
        given = ["--port", str(self.port), "--output-directory", str(self._directory / "output"), *flags]
        delay = [] if "--startup-delay" in flags else ["--startup-delay", "0"]
        self.cli.environment |= {
            "COMFYUI_DIR": str(CHECKOUT),
            "COMFYUI_COMMAND": " ".join([sys.executable, "main.py", *given, *delay]),
        }


class Renderer(ComfyUILine):
    """The same, with a simulator that somebody else has started."""

    def __init__(self, cli: CommandLine, directory: Path, simulator: Simulator) -> None:
        super().__init__(cli, directory, simulator.port)
        self.simulator = simulator
