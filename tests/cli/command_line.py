from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path
from typing import Any, cast

from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.marks import open_jobs
from tests.nursery.starts import program
from tests.patience import PATIENCE_S


class CommandLine:
    """Runs the command line as a user would, on a state directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.state_dir = directory / "state"
        home = directory / "home"
        home.mkdir()
        settings = ("MCP_BG_", "COMFYUI_")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(settings)}
        self.environment |= {"HOME": str(home), "MCP_BG_STATE_DIR": str(self.state_dir)}
        self.children: list[subprocess.Popen[bytes]] = []

    def argv(self, *arguments: str) -> list[str]:
        return program(*arguments)

    def __call__(
        self, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv(*arguments),
            input=stdin,
            capture_output=True,
            env={**self.environment, **(env or {})},
            timeout=PATIENCE_S,
            check=False,
        )

    def ok(self, *arguments: str, stdin: bytes = b"") -> str:
        done = self(*arguments, stdin=stdin)
        assert done.returncode == 0, (arguments, done)
        return done.stdout.decode()

    def start(self, *arguments: str) -> str:
        """Start a job; returns its id."""
        return self.ok("run", *arguments).strip()

    def json(self, *arguments: str) -> Any:
        command, *others = arguments
        return json.loads(self.ok(command, "--json", *others))

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the jobs that are listed."""
        return cast("list[dict[str, Any]]", self.json("list", *arguments)["jobs"])

    def status(self, job_id: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self.json("status", job_id))

    def open(
        self,
        *arguments: str,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        cwd: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command that is talked to while it runs."""
        child = subprocess.Popen(
            self.argv(*arguments), env=self.environment, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd
        )
        self.children.append(child)
        return child

    def end_children(self) -> None:
        """End what is open."""
        for child in self.children:
            child.kill()
            child.communicate(timeout=PATIENCE_S)

    def tidy_up(self) -> None:
        """End what is open, and the jobs."""
        self.end_children()
        if open_jobs(StateDir(str(self.state_dir))):
            live = json.loads(self("list", "-aA", "--status", "running,queued", "--json").stdout)["jobs"]
            if live:
                self.ok("kill", *(job["job_id"] for job in live), "--grace", "0")


def end_of(child: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Wait for a command; returns its exit code and what it wrote."""
    out, err = child.communicate(timeout=PATIENCE_S)
    return child.returncode, out, err


def line_of(stream: Any) -> bytes:
    """Read a line; the time limit of the test bounds it."""
    return cast("bytes", stream.readline())


def on_terminal(cli: CommandLine, *arguments: str, stderr: bool = False) -> tuple[Any, int]:
    """Start a command whose stdout, and stderr if asked for, is a terminal; returns it and our end of the terminal."""
    ours, theirs = pty.openpty()
    cli.environment |= {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    cli.environment.pop("NO_COLOR", None)
    child = cli.open(*arguments, stdout=theirs, stderr=theirs if stderr else subprocess.PIPE)
    os.close(theirs)
    return child, ours


def read_until(descriptor: int, wanted: bytes) -> bytes:
    """Read what a command draws on its terminal until something is there."""
    seen = b""
    deadline = time.monotonic() + PATIENCE_S
    while wanted not in seen:
        assert select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0], seen
        seen += os.read(descriptor, 65536)
    return seen
