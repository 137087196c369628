"""The place of measurements: it makes servers and state directories, and leaves nothing of them behind.

State directories stay until the end of the run. If files are removed, ext4 takes longer to find a free inode for some
seconds, which would burden the next measurement.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from bench.client import ServerProcess
from mcp_background_job.jobdir.layout import StateDir, is_job_id
from mcp_background_job.jobdir.lock import holder_of

_ROOT = str(Path(__file__).parent.parent)

#: A variable that every process has which a server under measurement starts: it serves to find and count them.
_MARK = "BENCH_MARK"

#: If a runner is told to end, it stops its job first, which takes at most the job's grace period; and it looks at every
#: process of the machine, which takes a thousand runners minutes.
_RUNNER_END_S = 300.0

_LOOK_AGAIN_S = 0.005


class Workspace:
    """A directory for one run, with everything that the run starts."""

    def __init__(self) -> None:
        """Make the directory."""
        self.path = tempfile.mkdtemp(prefix="mcp-bg-bench-")
        self._token = secrets.token_hex(8)
        self._servers: list[ServerProcess] = []
        self._states: list[StateDir] = []

    def __enter__(self) -> Self:
        """Return the workspace itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes that are left, by pid, and remove all files."""
        for server in self._servers:
            server.close()
        for state in self._states:
            end_jobs(state)
        for process in self._marked(self._token):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(self.path)

    def file(self, name: str) -> str:
        """Return a path for a new file, on the same file system as the state directories."""
        return os.path.join(self.path, name)

    def state_dir(self) -> StateDir:
        """Return a state directory that does not exist yet."""
        state = StateDir(self.file(f"state-{len(self._states)}"))
        self._states.append(state)
        return state

    def ours(self, state: StateDir, *, comfyui_port: str = "", **settings: str) -> ServerProcess:
        """Start the server of this project, with settings by their short names."""
        values = {"state_dir": state.path, "max_jobs": "1000", "working_dir": self.path}
        # The machine may have Slurm, which most users have not: the measurements do without.
        values |= {"toolsets": "jobs,comfyui,runs", "places": "local", **settings}
        variables = {f"MCP_BG_{name.upper()}": value for name, value in values.items()}
        if comfyui_port:
            variables["COMFYUI_PORT"] = comfyui_port
        return self._start([sys.executable, "-m", "mcp_background_job"], variables)

    def dashboard(self, state: StateDir) -> subprocess.Popen[bytes]:
        """Start the server of the page alone, on a free port; it prints a link."""
        command = [sys.executable, "-m", "mcp_background_job", "dashboard", "--port", "0", "--no-open"]
        env = self._environment({"MCP_BG_STATE_DIR": state.path, "MCP_BG_WORKING_DIR": self.path})
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, cwd=_ROOT
        )

    def floor(self, *arguments: str) -> ServerProcess:
        """Start the floor server."""
        return self._start([sys.executable, "-m", "bench.floor_server", *arguments], {})

    def peer(self, command: str) -> ServerProcess:
        """Start a peer, with the ``MCP_BG_`` variables of this program."""
        inherited = {key: value for key, value in os.environ.items() if key.startswith("MCP_BG_")}
        return self._start(shlex.split(command), {"MCP_BG_MAX_JOBS": "1000", **inherited})

    def _start(self, command: list[str], variables: dict[str, str]) -> ServerProcess:
        server = ServerProcess(command, self._environment(variables), _ROOT)
        self._servers.append(server)
        return server

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        # Without PYTHONDONTWRITEBYTECODE, every server starts from its bytecode, as an installed one does.
        left_out = ("MCP_BG_", "PYTHONDONTWRITEBYTECODE", "COVERAGE_")
        env = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        return {**env, _MARK: f"{self._token}-{len(self._servers)}", **variables}

    def started_by(self, server: ServerProcess) -> list[psutil.Process]:
        """Return the living processes that a server has started, anywhere in the tree of processes."""
        mark = f"{self._token}-{self._servers.index(server)}"
        return [process for process in self._marked(mark) if process.pid != server.pid]

    def sleepers_of(self, server: ServerProcess) -> list[psutil.Process]:
        """Return the processes that a server has started and that are ``sleep`` itself, not a shell around it."""
        found: list[psutil.Process] = []
        for process in self.started_by(server):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == "sleep":
                    found.append(process)
        return found

    @staticmethod
    def _marked(mark: str) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                value = process.environ().get(_MARK, "")
                if value == mark or value.startswith(f"{mark}-"):
                    found.append(process)
        return found


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 30.0) -> None:
    """Wait for a condition that is not measured."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_s:g} s: {what}")
        time.sleep(_LOOK_AGAIN_S)


def runner_pid(state: StateDir, job_id: str) -> int | None:
    """Return the pid of a job's runner, as the kernel tells it; ``None`` if the runner is gone."""
    holder = holder_of(state.job(job_id).lock)
    return holder.pid if holder else None


def await_runner_end(state: StateDir, job_id: str) -> None:
    """Wait until a job's runner is gone: after the job's end, it still writes the exit record to the disk."""
    wait_until(lambda: runner_pid(state, job_id) is None, f"the runner of {job_id} is gone")


def end_jobs(state: StateDir) -> None:
    """Tell every runner to end its job, and wait until the runners are gone."""
    with contextlib.suppress(FileNotFoundError):
        for job_id in filter(is_job_id, os.listdir(state.jobs)):
            if pid := runner_pid(state, job_id):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        for job_id in filter(is_job_id, os.listdir(state.open)):
            wait_until(
                lambda job_id=job_id: runner_pid(state, job_id) is None, f"{job_id} is over", limit_s=_RUNNER_END_S
            )
